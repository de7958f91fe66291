//! The command line as it was typed, for the page that tells how its numbers were made.

use std::{ffi::OsString, path::Path};

/// The options that say only where files lie and how the work is done, with a value and without.
const LEFT_OUT_WITH_VALUE: [&str; 3] = ["--out", "--data-dir", "--threads"];
const LEFT_OUT: [&str; 3] = ["--quiet", "--fresh", "--extend"];

/// The command that starts this program with these arguments, without the options that change no number.
pub fn command_line(arguments: &[OsString]) -> String {
    joined(arguments, that_decide)
}

/// The command that goes on where the one with these arguments was interrupted. It does not start over.
pub fn resuming_command(arguments: &[OsString]) -> String {
    joined(arguments, |arguments| arguments.filter(|argument| argument != "--fresh").collect())
}

fn joined(arguments: &[OsString], choose: impl Fn(&mut dyn Iterator<Item = String>) -> Vec<String>) -> String {
    let (program, arguments) = arguments.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    let name = program.and_then(|program| Path::new(program).file_stem()).map(|name| name.to_string_lossy());
    let (mut line, separator) = match name.as_deref() {
        None | Some("experiments") => ("cargo run -p experiments".to_string(), " --"),
        Some(other) => (other.to_string(), ""),
    };
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
    for (index, argument) in choose(&mut arguments).into_iter().enumerate() {
        line += if index == 0 { separator } else { "" };
        line += &format!(" {}", quoted(&argument));
    }
    line
}

fn that_decide(arguments: &mut dyn Iterator<Item = String>) -> Vec<String> {
    let mut skip_value = false;
    let decides = |argument: &String| {
        let (name, value) =
            argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value)));
        let with_value = LEFT_OUT_WITH_VALUE.contains(&name);
        let is_value = std::mem::replace(&mut skip_value, with_value && value.is_none());
        !is_value && !with_value && !LEFT_OUT.contains(&name)
    };
    arguments.filter(decides).collect()
}

/// Quotes an argument for a shell where it needs quotes.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./,:@+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.into()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
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

    #[test]
    fn an_argument_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("fc:120,84"), "fc:120,84");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
