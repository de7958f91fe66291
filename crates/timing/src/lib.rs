#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch_sizes;
mod measurement;
mod network;
mod own;
mod peer;
mod protocol;
mod turns;

pub use batch_sizes::{INFER_BATCH, LATENCY_BATCH, TRAIN_BATCH};
pub use measurement::{Measurement, run_round};
pub use network::{Inference, Network};
pub use own::{BatchTime, OwnNetwork};
pub use peer::Peer;
pub use protocol::{Request, Task, repeat, serve};
pub use turns::{TimedNetwork, time_in_turn};
