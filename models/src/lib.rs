#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod architecture;
mod backbone;
mod classifier;
mod deep_conv_dti;
mod error;
mod name;
mod naming;
mod prepared;
mod registry;
mod summary;
mod trained;
mod width;
mod zoo;

pub use architecture::{Architecture, BuildLayers, ModelConfig};
pub use backbone::Backbone;
pub use classifier::Classifier;
pub use deep_conv_dti::{
    Activation, DEEP_CONV_DTI, DeepConvDti, DeepConvDtiConfig, DeepConvDtiInfo, Preset, TrainedDeepConvDti,
    WindowEvidence, WinningWindow,
};
pub use error::{ParseModelError, RegisterError};
pub use name::{ModelName, build};
pub use naming::Naming;
pub use prepared::PreparedClassifier;
pub use registry::{find, list, register};
pub use summary::{LayerSummary, Summary, summary};
pub use trained::{ClassProbability, NetworkInfo, Prediction, Trained, load};
pub use width::Width;
