//! The computer and the program that a record is made with.

use anyhow::{Context, Result};
use records::{Cpu, Versions};

/// The versions of this program and of the dependencies that decide its results.
pub fn versions() -> Versions {
    Versions { experiments: env!("CARGO_PKG_VERSION").into(), candle: env!("CANDLE_VERSION").into(), gemm: None }
}

/// The number of cores that this process may use.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor and the instruction set that the kernels use.
pub fn cpu() -> Cpu {
    Cpu::detect(ops::instruction_set())
}

/// Starts a pool of threads that the kernels use.
pub fn thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("cannot start threads")
}
