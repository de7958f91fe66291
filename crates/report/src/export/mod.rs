//! The formats a document is written in, one file each.

mod csv;
mod markdown;
mod terminal;

pub use csv::csv;
pub use markdown::markdown;
pub use terminal::terminal;
