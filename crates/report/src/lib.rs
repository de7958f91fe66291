//! Tables, figures and verdicts as one document, written to the terminal, CSV, Markdown and SVG.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
