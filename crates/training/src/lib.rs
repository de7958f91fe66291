#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch;
mod checkpoint;
mod config;
mod device;
mod evaluate;
mod file;
mod fit;
mod init;
mod loss;
mod model;
mod optimizer;
mod parameters;
mod position;
mod progress;
mod rename;
mod schedule;
mod weights;
mod weights_file;

pub use batch::Batch;
pub use checkpoint::{CheckpointError, Checkpoints, Unusable};
pub use config::{FitConfig, Length};
pub use device::{DeviceKind, on_awake_threads};
pub use evaluate::{Evaluation, evaluate, predictions};
pub use fit::{fit, fit_resumable};
/// The purpose of a forward pass, for implementations of [`Model`].
pub use layers::Mode;
pub use loss::Loss;
pub use model::Model;
pub use optimizer::{Optimizer, OptimizerConfig};
pub use parameters::Parameters;
pub use progress::{Diverged, EpochReport, Event, FitOutcome, Validation};
pub use schedule::Schedule;
pub use weights::{Matching, metadata};
