#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod event;
mod framing;
mod writer;

pub use event::{Event, Image, Summary, Value};
pub use writer::{EventFile, read};
