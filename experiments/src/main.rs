//! The program `experiments`. See `--help`.

mod allocator;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    allocator::keep_memory();
    // Candle's own thread pool waits by spinning and slows down the pools that the runs use.
    // SAFETY: no other thread has been started that could read the environment.
    unsafe { env::set_var("CANDLE_NUM_THREADS", "1") };
    experiments::main()
}
