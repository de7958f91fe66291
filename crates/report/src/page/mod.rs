//! Builders of documents: what the pages say, and in which words.

pub mod bench;
