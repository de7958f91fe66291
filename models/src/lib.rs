//! A zoo of small convolutional networks for candle, and every head on every backbone. Those that were published have
//! the parameters and multiply-accumulates they were published with.
//!
//! A [`Classifier`] is a [`Backbone`] and a [`heads::Head`]; parameters are named as PyTorch's `state_dict` names them.
//! [`list`] has the models, [`ModelName`] parses `nin@0.25`, [`summary()`] prints a network's table.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use candle_nn::{VarBuilder, VarMap};
//! use layers::{Layer, Mode};
//! use models::ModelConfig;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let variables = VarMap::new();
//! let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
//! let config = ModelConfig { input: [3, 32, 32], classes: 10, head: "gap-fc".parse()?, width: 1. };
//! let net = models::build("resnet8", &config, vb)?;
//!
//! let images = Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?;
//! assert_eq!(net.forward(&images, Mode::Inference)?.dims(), [2, 10]);
//! assert_eq!(net.backbone.feature_shape(&[3, 64, 64])?, [64, 16, 16]);
//!
//! let summary = models::summary(&net, &[3, 32, 32])?;
//! assert_eq!(summary.trainable_params, 78_186);
//! println!("{summary}");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod classifier;
mod name;
mod prepared;
mod registry;
mod summary;

mod all_cnn_c;
mod lenet5;
mod mobilenet_v1;
mod nin;
mod resnet20;
mod resnet8;
mod two_conv;
mod vgg_small;

pub use classifier::{Backbone, Classifier};
pub use name::{ModelName, Width};
pub use prepared::PreparedClassifier;
pub(crate) use registry::Naming;
pub use registry::{Architecture, ModelConfig, ParseModelError, build, find, list};
pub use summary::{LayerSummary, Summary, summary, thousands};
