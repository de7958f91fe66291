//! The formats a document is written in, one file each.

use crate::document::Document;

mod csv;
mod markdown;
mod terminal;

pub use csv::csv;
pub use markdown::markdown;
pub use terminal::terminal;

/// Writes a whole page in one format.
pub type Exporter = fn(&Document) -> String;

/// The files in which a page is kept in its folder, with the exporter that writes each.
pub const PAGE_FILES: &[(&str, Exporter)] = &[("README.md", markdown)];
