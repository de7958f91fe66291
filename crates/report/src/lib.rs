#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod chart;
mod csv_files;
pub mod document;
mod error;
mod export;
mod leaderboard;
mod metric;
pub mod number;
mod page;

pub use chart::{PlotSpec, figures, learning_curves};
pub use csv_files::{confusion_csv, curves_csv, measures_csv, per_class_csv, summary_csv, tuning_csv};
pub use document::{Block, Cell, Column, ColumnKind, Document, Figure, Image, Span, Table, Text};
pub use error::{Error, Result};
pub use export::{HTML_FILE, MARKDOWN_FILE, MARKER, csv, html, is_written, markdown, terminal};
pub use leaderboard::{Ranked, leaderboard};
pub use page::{
    Advice, Card, LocatedImage, Mistake, SuiteEntry, SuiteReport, bench, card, class_table, confusion_table, fill,
    index_page, left_out, maps, mistakes, overlay, strip, suite_overview, suite_page,
};
