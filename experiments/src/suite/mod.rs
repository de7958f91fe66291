//! Suites: which variants are compared, on which data, and how they are trained. A suite is one TOML file in
//! `experiments/suites/`, or anywhere else.

mod changes;
mod definition;
mod embedded;
mod file;
mod outline;
#[cfg(test)]
mod tests;

pub use changes::Changes;
pub use definition::{Suite, Variant};
pub use embedded::{all, find, is_shipped, original};
pub use file::parse;
pub use outline::Outline;
