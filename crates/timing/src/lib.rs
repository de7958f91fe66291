#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod measurement;
mod network;
mod own;
mod peer;
mod protocol;
mod turns;

pub use measurement::{Measurement, run_round};
pub use network::{Inference, Network};
pub use own::{BatchTime, OwnNetwork};
pub use peer::Peer;
pub use protocol::{Request, Task, repeat, serve};
pub use turns::{TimedNetwork, time_in_turn};

/// The number of images in a timed training step.
pub const TRAIN_BATCH: usize = 64;
/// The number of images in a timed forward pass, and wherever else networks infer.
pub const INFER_BATCH: usize = 256;
/// The number of images in a forward pass whose latency is measured.
pub const LATENCY_BATCH: usize = 1;
