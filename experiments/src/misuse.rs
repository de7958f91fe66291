//! Errors in what the user asked for, as opposed to failures.

use std::fmt;

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
        let message = |cause: &(dyn std::error::Error + 'static)| {
            let text = cause.to_string();
            if cause.is::<candle_core::Error>() { outermost_first(&text) } else { text }
        };
        Self(error.into().chain().map(message).collect::<Vec<_>>().join(": "))
    }
}

/// Brings a candle error into one line. Candle writes an error's contexts below it, one quoted line each, followed by an
/// indented backtrace.
fn outermost_first(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(char::is_whitespace));
    lines.rev().map(|line| line.trim_matches('"')).collect::<Vec<_>>().join(": ")
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Context;

    #[test]
    fn an_error_of_candle_is_told_in_one_line_from_the_outside() {
        let error: candle_core::Result<()> = Err(candle_core::Error::msg("too small"));
        let error = error.context("layer 1").context("model nin").unwrap_err();
        assert_eq!(Misuse::from(error).to_string(), "model nin: layer 1: too small");
    }
}
