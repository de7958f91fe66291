//! The program `experiments`. See `--help`.

use std::{env, process::ExitCode};

use libmimalloc_sys::{mi_option_set, mi_option_t, mi_option_use_numa_nodes};

/// A training step allocates and frees the same large buffers again and again. The system's allocator returns them to the
/// kernel each time, and every page of the next step causes a page fault.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, which the bindings do not define. In the header it precedes
/// `mi_option_use_numa_nodes`, and Cargo.toml pins the bindings to the version in which this was checked.
const PURGE_DELAY: mi_option_t = 15;
const _: () = assert!(PURGE_DELAY + 1 == mi_option_use_numa_nodes);

fn main() -> ExitCode {
    // Memory that was freed a second ago is kept too: programs that `bench` compares take turns of several seconds.
    // SAFETY: the option exists, see above, and may be set at any time.
    unsafe { mi_option_set(PURGE_DELAY, -1) };
    if env::args().nth(1).as_deref() != Some(experiments::STOCK_CANDLE) {
        // Candle's own thread pool waits by spinning and slows down the pools that the runs use.
        // SAFETY: no other thread has been started that could read the environment.
        unsafe { env::set_var("CANDLE_NUM_THREADS", "1") };
    }
    experiments::main()
}
