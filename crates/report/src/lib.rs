#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod chart;
pub mod document;
mod error;
mod export;
mod number;
mod page;

pub use document::{Block, Cell, Column, ColumnKind, Document, Figure, Image, Span, Table, Text};
pub use error::{Error, Result};
pub use export::{csv, markdown, terminal};
pub use page::bench;
