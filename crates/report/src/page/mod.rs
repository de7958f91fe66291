//! Builders of documents: what the pages say, and in which words.

pub mod bench;
mod card;
mod claims;
mod classes;
mod columns;
mod comparisons;
mod confusion;
pub mod factors;
mod index;
mod lettering;
mod maps;
mod measures;
mod mistakes;
mod overlay;
mod protocol;
mod strip;
mod suite;
#[cfg(test)]
mod tests;

pub use card::{Card, card};
pub use confusion::{class_table, confusion_table};
pub use index::{Advice, SuiteEntry, fill, index_page};
pub use maps::maps;
pub use mistakes::{Mistake, mistakes};
pub use overlay::overlay;
pub use strip::{LocatedImage, strip};
pub use suite::{SuiteReport, left_out, suite_overview, suite_page};
