//! Compares classifier heads of convolutional networks: suites, sweeps, measures, tables, and the command line for them.
//!
//! The crate is a library so that models and heads from another crate can be compared like the built-in ones. A program
//! registers them and then runs the same command line, `run`, `summary`, `bench` and all the other commands:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     // Call `models::register(…)` and `heads::register(…)` here.
//!     experiments::main()
//! }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
// `eprintln!` panics where standard error is closed; `output::note` does not.
#![warn(clippy::print_stderr)]

mod advice;
mod bench_baseline;
mod bench_record;
mod cli;
mod commands;
mod data;
mod doubts;
mod errors;
mod events;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod init;
mod interrupt;
mod limits;
mod machine;
mod measures;
mod mistakes;
mod misuse;
mod network_name;
mod output;
mod own_images;
mod pair_data;
mod peak_memory;
mod plan;
mod playground;
mod progress;
mod rate_series;
mod recorded;
mod render;
mod results;
mod run;
#[cfg(feature = "serve")]
mod serve;
mod shard;
mod speed;
mod statements;
mod suite;
mod sweep;
mod task;
mod train;
mod tune;
mod zoo;

use std::{ffi::OsString, process::ExitCode};

use errors::in_one_line;
use interrupt::Interrupted;
use misuse::Misuse;
use output::note;

/// Executes the command line of this process and returns its exit code: 0 if done, 1 if something failed, 2 for a mistake
/// in the command line, 130 if it was interrupted.
///
/// Set `CANDLE_NUM_THREADS=1` in the environment before any thread starts: candle's own thread pool waits by spinning and
/// slows down the pools that the runs use.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Executes a command line, whose first argument is the name of the program, and returns the exit code.
///
/// `bench` starts the program of this process once more with other arguments to measure memory.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match cli::parse(arguments) {
        Ok(command) => command,
        Err(error) => {
            // Fails only if standard output or error is closed.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    interrupt::handle_signals();
    match command.execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => {
            note(&error.to_string());
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            note(&format!("error: {}", in_one_line(&error)));
            ExitCode::from(if error.is::<Misuse>() { 2 } else { 1 })
        }
    }
}
