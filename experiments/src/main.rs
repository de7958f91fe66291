//! Trains every combination of model and head that a suite names, and renders the tables. See `--help`.

mod aggregate;
mod bench;
mod cli;
mod commands;
mod data;
mod distinct;
mod machine;
mod measures;
mod misuse;
mod output;
mod plan;
mod progress;
mod record;
mod render;
mod select;
mod speed;
mod statistics;
mod store;
mod suite;
mod sweep;
mod train;
mod tune;

use std::process::ExitCode;

use clap::Parser;
use misuse::Misuse;

/// A training step allocates and frees the same large buffers over and over; the system's allocator hands them back to
/// the kernel each time, and every page of the next step is faulted in anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, which the bindings have no name for.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    // What was freed a second ago would go back to the kernel all the same, and programs that take turns wait longer.
    // SAFETY: a number of the allocator's own, which it may be told at any time.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    let cli = cli::Cli::parse();
    if !matches!(cli.command, Some(cli::Command::StockCandle)) {
        // Candle's own thread pool waits by spinning: beside the pools in which the runs work it only takes their cores
        // away.
        // SAFETY: no other thread has been started yet that could read the environment.
        unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    }

    match commands::execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Misuse>() { 2 } else { 1 })
        }
    }
}
