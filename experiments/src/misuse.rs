use std::fmt;

/// What was asked for makes no sense: exit code 2, where a failure has 1. The message says what is possible.
#[derive(Debug)]
pub struct Misuse(String);

impl Misuse {
    /// The error and its causes as one message.
    pub fn from(error: impl Into<anyhow::Error>) -> Self {
        Self(format!("{:#}", error.into()))
    }

    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}
