//! The speed of whole networks, next to that of other programs. All are asked in turn, round after round, so that
//! whatever slows the machine down slows all of them.

mod measurement;
mod own;
pub mod peer;
mod process;
mod record;

pub use measurement::{Measurement, run_round};
pub use own::{peak_memory, print_peak_memory};
pub use process::Peer;
pub use record::BenchRecord;
