//! What a shell knows about the command line: completions, and manual pages.

use clap::{Command, error::ErrorKind};
use clap_complete::Shell;
use clap_mangen::Man;

/// Returns a script that completes the command line in a shell.
pub fn completions(mut command: Command, shell: Shell) -> String {
    let (mut script, name) = (Vec::new(), command.get_name().to_string());
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns the manual page of the program, or of one of its commands, in the format of `man`.
///
/// # Errors
/// A command that does not exist.
pub fn manual(mut command: Command, of: Option<&str>) -> Result<String, clap::Error> {
    // Names like `experiments-run` and usages with the name of the program.
    command.build();
    let page = match of {
        None => command,
        Some(name) => match command.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                let names: Vec<&str> =
                    command.get_subcommands().filter(|other| !other.is_hide_set()).map(Command::get_name).collect();
                let message = format!("there is no command `{name}`; the commands are {}", names.join(", "));
                return Err(command.error(ErrorKind::InvalidValue, message));
            }
        },
    };
    let mut roff = Vec::new();
    Man::new(page).render(&mut roff)?;
    Ok(String::from_utf8_lossy(&roff).into_owned())
}
