//! The suites that are part of the program, and those in files.

use std::path::Path;

use anyhow::{Context, Result};
use include_dir::{Dir, File, include_dir};

use super::{
    any::AnySuite,
    file::parse,
    pairs::{is_of_pairs, parse_pairs},
};
use crate::{limits::MAX_TEXT_BYTES, misuse::Misuse};

static SUITES: Dir = include_dir!("$CARGO_MANIFEST_DIR/suites");

/// Reads all suites that are part of the program.
pub fn all() -> Result<Vec<AnySuite>> {
    files().map(read).collect()
}

/// Finds the suite of this name, or reads the suite in this file.
///
/// # Errors
/// The names that are possible, or what is wrong with the file.
pub fn find(name: &str) -> Result<AnySuite> {
    if let Some(file) = SUITES.get_file(format!("{name}.toml")) {
        return read(file);
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        let message = format!("unknown suite `{name}`; it must be {} or a file that ends in .toml", names().join(", "));
        return Err(Misuse::new(message).into());
    }
    let rates = |rates: &str| read_text(&path.with_file_name(rates));
    parse_any(path, &read_text(path)?, rates)
}

/// The text of the embedded suite that a suite's results were made from: the suite of this name, or the one that options
/// have changed into `NAME-custom` or `NAME-DATASET-custom`.
pub fn original(name: &str) -> Option<&'static str> {
    if let Some(text) = text(name) {
        return Some(text);
    }
    let changed = name.strip_suffix("-custom")?;
    let is_original = |suite: &String| changed == suite || changed.starts_with(&format!("{suite}-"));
    names().into_iter().filter(is_original).max_by_key(String::len).and_then(|suite| text(&suite))
}

/// Returns whether a suite is part of the program, also if it was read from another file.
pub fn is_shipped(suite: &AnySuite) -> bool {
    let shipped = SUITES.get_file(format!("{}.toml", suite.name())).map(read);
    shipped.is_some_and(|shipped| shipped.is_ok_and(|shipped| shipped == *suite))
}

/// The text of the embedded suite of this name.
fn text(name: &str) -> Option<&'static str> {
    SUITES.get_file(format!("{name}.toml"))?.contents_utf8()
}

/// The suites' files, without the learning rates, which lie in the same folder.
fn files() -> impl Iterator<Item = &'static File<'static>> {
    SUITES.files().filter(|file| file.path().extension().is_some_and(|extension| extension == "toml"))
}

fn names() -> Vec<String> {
    files().map(|file| file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()).collect()
}

fn read(file: &File) -> Result<AnySuite> {
    let rates = |name: &str| {
        let rates = SUITES.get_file(name).and_then(File::contents_utf8);
        rates.map(String::from).with_context(|| format!("there is no file suites/{name}"))
    };
    parse_any(file.path(), file.contents_utf8().unwrap_or_default(), rates)
}

/// Parses the file of a suite of either task. `rates` reads the file of the given name in the same folder.
///
/// # Errors
/// [`Misuse`] that names the file and the mistake.
pub fn parse_any(path: &Path, text: &str, rates: impl Fn(&str) -> Result<String>) -> Result<AnySuite> {
    if !is_of_pairs(text) {
        return parse(path, text, rates).map(AnySuite::Images);
    }
    let suite = parse_pairs(path, text, rates);
    suite.map(AnySuite::Pairs).map_err(|error| Misuse::from(error.context(path.display().to_string())).into())
}

fn read_text(path: &Path) -> Result<String> {
    records::read_text(path, MAX_TEXT_BYTES)
        .map_err(Misuse::from)
        .context("cannot read the suite's file; `list suites` shows the suites that need none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_options_changed_belong_to_the_longest_suite_of_their_name() {
        for (name, suite) in [("heads", "heads"), ("heads-custom", "heads"), ("heads-full-custom", "heads-full")] {
            assert_eq!(original(name), text(suite), "{name}");
        }
        assert_eq!(original("heads-shop-custom"), text("heads"));
        assert_eq!((original("mine"), original("mine-custom"), original("heads-shop")), (None, None, None));
    }
}
