//! Errors in what the user asked for, as opposed to failures.

use std::fmt;

use crate::errors::in_one_line;

/// An impossible request. The program exits with code 2, where a failure exits with 1. The message says what is wrong
/// with which value and what is possible.
#[derive(Debug)]
pub struct Misuse(String);

impl Misuse {
    /// Creates a misuse error from its message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Joins an error and its causes into one message.
    pub fn from(error: impl Into<anyhow::Error>) -> Self {
        Self(in_one_line(&error.into()))
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}
