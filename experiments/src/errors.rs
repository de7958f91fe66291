//! What errors say, and what they are about.

use anyhow::Error;
use datasets::DatasetError;
use records::FileError;

/// Joins an error and its causes into one line, the outermost first.
pub fn in_one_line(error: &Error) -> String {
    let message = |cause: &(dyn std::error::Error + 'static)| {
        let text = cause.to_string();
        if cause.is::<candle_core::Error>() { outermost_first(&text) } else { text }
    };
    error.chain().map(message).collect::<Vec<_>>().join(": ")
}

/// Brings a candle error into one line. Candle writes an error's contexts below it, one quoted line each, followed by an
/// indented backtrace.
fn outermost_first(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(char::is_whitespace));
    lines.rev().map(|line| line.trim_matches('"')).collect::<Vec<_>>().join(": ")
}

/// Returns whether a file could not be read or written, which other runs would meet too. Data sets are loaded and split before
/// the first run, so what is wrong with them later is wrong with their files.
pub fn is_about_files(error: &Error) -> bool {
    fn is_io(error: &candle_core::Error) -> bool {
        match error {
            candle_core::Error::Io(_) => true,
            candle_core::Error::WithPath { inner, .. }
            | candle_core::Error::WithBacktrace { inner, .. }
            | candle_core::Error::Context { inner, .. } => is_io(inner),
            _ => false,
        }
    }
    error.is::<FileError>() || error.is::<DatasetError>() || error.downcast_ref().is_some_and(is_io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    use candle_core::Context;

    #[test]
    fn an_error_of_candle_is_told_in_one_line_from_the_outside() {
        let error: candle_core::Result<()> = Err(candle_core::Error::msg("too small"));
        let error = error.context("layer 1").context("model nin").unwrap_err();
        assert_eq!(in_one_line(&Error::from(error).context("fc")), "fc: model nin: layer 1: too small");
    }

    #[test]
    fn an_image_that_can_no_longer_be_read_is_about_files_wherever_the_error_comes_from() {
        let changed = || DatasetError::Changed { path: "ant.png".into() };
        let of_a_batch = || candle_core::Error::from(io::Error::other(changed()));
        assert!(is_about_files(&changed().into()));
        assert!(is_about_files(&of_a_batch().into()));
        assert!(is_about_files(&Error::from(of_a_batch().context("epoch 3"))));
        assert!(in_one_line(&of_a_batch().into()).starts_with("ant.png: the file has changed"));
        assert!(!is_about_files(&candle_core::Error::msg("too small").into()));
    }
}
