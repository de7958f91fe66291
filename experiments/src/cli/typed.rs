//! The command line as it was typed, for the page that tells how its numbers were made.

use std::{ffi::OsString, path::Path};

use crate::output::quoted;

/// The options that say only where files lie and how the work is done, with a value and without.
const LEFT_OUT_WITH_VALUE: [&str; 3] = ["--out", "--data-dir", "--threads"];
const LEFT_OUT: [&str; 3] = ["--quiet", "--fresh", "--extend"];

/// The command that starts this program with these arguments, without the options that change no number.
pub fn command_line(arguments: &[OsString]) -> String {
    let (program, arguments) = arguments.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    let name = program.and_then(|program| Path::new(program).file_stem()).map(|name| name.to_string_lossy());
    let (mut line, separator) = match name.as_deref() {
        None | Some("experiments") => ("cargo run -p experiments".to_string(), " --"),
        Some(other) => (other.to_string(), ""),
    };
    let arguments = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
    for (index, argument) in without(arguments, &LEFT_OUT_WITH_VALUE, &LEFT_OUT).enumerate() {
        line += if index == 0 { separator } else { "" };
        line += &format!(" {}", quoted(&argument));
    }
    line
}

/// The arguments of `run` in those of a command that divides it into shards, as a shell reads them. `with_value` and
/// `flags` are the options of that command alone.
pub fn run_arguments(arguments: &[OsString], with_value: &[&str], flags: &[&str]) -> String {
    // The program and the command come first.
    let arguments = arguments.iter().skip(2).map(|argument| argument.to_string_lossy().into_owned());
    without(arguments, with_value, flags).map(|argument| quoted(&argument)).collect::<Vec<_>>().join(" ")
}

/// Leaves out options with a value, in either spelling, and options without.
fn without<'a>(
    arguments: impl Iterator<Item = String> + 'a,
    with_value: &'a [&str],
    flags: &'a [&str],
) -> impl Iterator<Item = String> + 'a {
    let mut skip_value = false;
    arguments.filter(move |argument| {
        let (name, value) =
            argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value)));
        let has_value = with_value.contains(&name);
        let is_value = std::mem::replace(&mut skip_value, has_value && value.is_none());
        !is_value && !has_value && !flags.contains(&name)
    })
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
        assert_eq!(command_line(&["/bin/mine".into(), "run".into(), "my data".into()]), "mine run 'my data'");
    }
}
