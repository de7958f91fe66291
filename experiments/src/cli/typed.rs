//! The command line as it was typed, for the page that tells how its numbers were made.

use std::{ffi::OsString, mem, path::Path};

use crate::output::quoted;

/// The options that say only where files lie and how the work is done, with a value and without.
const LEFT_OUT_WITH_VALUE: [&str; 3] = ["--out", "--data-dir", "--threads"];
const LEFT_OUT: [&str; 3] = ["--quiet", "--fresh", "--extend"];

/// The command that starts this program with these arguments, without the options that change no number.
pub fn command_line(arguments: &[OsString]) -> String {
    command(arguments, &LEFT_OUT_WITH_VALUE, &LEFT_OUT)
}

/// The command that goes on where the one with these arguments was interrupted. It does not start over.
pub fn resuming_command(arguments: &[OsString]) -> String {
    command(arguments, &[], &["--fresh"])
}

/// The arguments of `run` in those of a command that divides it into shards, as a shell reads them. `with_value` and
/// `flags` are the options of that command alone.
pub fn run_arguments(arguments: &[OsString], with_value: &[&str], flags: &[&str]) -> String {
    // The program and the command come first.
    quoted_without(arguments.get(2..).unwrap_or_default(), with_value, flags).join(" ")
}

/// The command that starts this program, without some options.
fn command(arguments: &[OsString], with_value: &[&str], flags: &[&str]) -> String {
    let (program, arguments) = arguments.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    let name = program.and_then(|program| Path::new(program).file_stem()).map(|name| name.to_string_lossy());
    let (program, separator) = match name.as_deref() {
        None | Some("experiments") => ("cargo run -p experiments".to_string(), Some("--".to_string())),
        Some(other) => (other.to_string(), None),
    };
    let arguments = quoted_without(arguments, with_value, flags);
    let separator = separator.filter(|_| !arguments.is_empty());
    [program].into_iter().chain(separator).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Leaves out options with a value, in either spelling, and options without, and quotes the rest for a shell.
fn quoted_without(arguments: &[OsString], with_value: &[&str], flags: &[&str]) -> Vec<String> {
    let mut skip_value = false;
    let mut kept = Vec::new();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        let (name, has_own_value) = argument.split_once('=').map_or((&*argument, false), |(name, _)| (name, true));
        let takes_value = with_value.contains(&name);
        let is_value = mem::replace(&mut skip_value, takes_value && !has_own_value);
        if !is_value && !takes_value && !flags.contains(&name) {
            kept.push(quoted(&argument));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_does_not_tell_where_files_lie() {
        let arguments =
            ["target/experiments", "run", "heads", "--out", "/home/me", "--data-dir=/data", "--seeds", "1", "--quiet"];
        let line = command_line(&arguments.map(OsString::from));
        assert_eq!(line, "cargo run -p experiments -- run heads --seeds 1");
        let line =
            resuming_command(&["experiments", "run", "heads", "--fresh", "--out", "my results"].map(OsString::from));
        assert_eq!(line, "cargo run -p experiments -- run heads --out 'my results'");
        assert_eq!(command_line(&["/bin/mine".into(), "run".into(), "my data".into()]), "mine run 'my data'");
    }
}
