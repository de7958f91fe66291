#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch_sizes;
mod change;
mod energy;
mod machine;
mod measurement;
mod network;
mod own;
mod peer;
mod protocol;
mod round;
mod scaling;
mod turns;
mod work;

pub use batch_sizes::{INFER_BATCH, LATENCY_BATCH, TRAIN_BATCH};
pub use change::Change;
pub use energy::EnergyMeter;
pub use machine::Machine;
pub use measurement::{Bound, Measurement, Roofline};
pub use network::{Inference, Network, TimedModel};
pub use own::{BatchTime, OwnNetwork};
pub use peer::Peer;
pub use protocol::{Request, Task, repeat, serve};
pub use round::{Instruments, run_round};
pub use scaling::Scaling;
pub use turns::{TimedNetwork, time_in_turn};
