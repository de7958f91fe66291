#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod chart;
mod csv_files;
pub mod document;
mod error;
mod export;
mod metric;
pub mod number;
mod page;

pub use chart::{PlotSpec, figures};
pub use csv_files::{confusion_csv, curves_csv, measures_csv, per_class_csv, summary_csv, tuning_csv};
pub use document::{Block, Cell, Column, ColumnKind, Document, Figure, Image, Span, Table, Text};
pub use error::{Error, Result};
pub use export::{Exporter, PAGE_FILES, csv, markdown, terminal};
pub use page::{
    Advice, Card, INDEX_MARKER, LocatedImage, Mistake, SuiteEntry, SuiteReport, bench, card, class_table,
    confusion_table, fill, index_page, is_index, left_out, maps, mistakes, overlay, strip, suite_overview, suite_page,
};
