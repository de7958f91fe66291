use std::{hint::black_box, time::Instant};

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The number of times that a product is computed or the memory read; the fastest counts.
const TRIES: usize = 5;
/// The number of rows and columns of the matrices whose product is timed.
const SIZE: usize = 512;
/// The least and the most memory that is read, in bytes.
const MEMORY: (usize, usize) = (64 << 20, 1 << 30);
/// The number of 8-byte words that a thread reads at a time.
const CHUNK: usize = 1 << 16;

/// What the machine can do on a number of threads: the limits that the speed of a network is compared with.
pub struct Machine {
    pool: ThreadPool,
    /// The memory that is read, larger than the caches.
    memory: Vec<u64>,
}

impl Machine {
    /// Starts the threads and takes memory of four times the largest cache, whose size is given in bytes, but not more
    /// than a gigabyte.
    ///
    /// # Errors
    /// Threads that cannot be started.
    pub fn new(threads: usize, largest_cache: usize) -> Result<Self> {
        let bytes = largest_cache.saturating_mul(4).clamp(MEMORY.0, MEMORY.1);
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(Self { pool, memory: vec![1; bytes / size_of::<u64>()] })
    }

    /// Measures the bandwidth of the memory when it is read, in 10⁹ bytes per second.
    ///
    /// # Errors
    /// None at present.
    pub fn bandwidth(&self) -> Result<f64> {
        let sum = || self.memory.par_chunks(CHUNK).map(|words| words.iter().sum::<u64>()).sum::<u64>();
        let seconds = fastest(|| Ok(self.pool.install(sum)))?;
        Ok(size_of_val(self.memory.as_slice()) as f64 / seconds / 1e9)
    }

    /// Measures the product of two 512×512 matrices by the crate `gemm`, in 10⁹ floating-point operations per second.
    ///
    /// # Errors
    /// Matrices that do not fit into memory.
    pub fn product_gflops(&self) -> Result<f64> {
        let matrix = Tensor::ones((SIZE, SIZE), DType::F32, &Device::Cpu)?;
        let seconds = fastest(|| self.pool.install(|| matrix.matmul(&matrix)))?;
        Ok(2. * (SIZE as f64).powi(3) / seconds / 1e9)
    }
}

/// The shortest of a few durations of the work, in seconds.
fn fastest<T>(mut work: impl FnMut() -> candle_core::Result<T>) -> candle_core::Result<f64> {
    (0..TRIES).try_fold(f64::INFINITY, |fastest, _| {
        let start = Instant::now();
        black_box(work()?);
        Ok(start.elapsed().as_secs_f64().min(fastest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_reads_memory_and_multiplies_matrices() {
        let machine = Machine::new(2, 0).unwrap();
        assert_eq!(machine.memory.len() * 8, MEMORY.0);
        // No machine is slower than a megabyte and a million operations per second, or faster than a petabyte.
        assert!((1e-3..1e6).contains(&machine.bandwidth().unwrap()));
        assert!((1e-3..1e6).contains(&machine.product_gflops().unwrap()));
    }
}
