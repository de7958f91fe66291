//! Suites: which variants are compared, on which data, and how they are trained. A suite is one TOML file in
//! `experiments/suites/`, or anywhere else.

mod any;
mod changes;
mod definition;
mod embedded;
mod file;
mod outline;
mod pairs;
#[cfg(test)]
mod tests;

pub use any::{AnySuite, LoadedSuite};
pub use changes::Changes;
pub use definition::Suite;
pub use embedded::{all, find, is_shipped, original, parse_any};
pub use outline::Outline;
pub use pairs::{PairSuite, PairVariant};
