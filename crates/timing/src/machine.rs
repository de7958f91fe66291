use std::{hint::black_box, time::Instant};

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The number of times that a product is computed or the memory read; the fastest counts.
const TRIES: usize = 5;
/// The number of rows and columns of the matrices whose product is timed.
const SIZE: usize = 512;
/// The least number of bytes that are read for a measurement; fewer are read several times.
const LEAST_READ: usize = 64 << 20;
/// The largest memory that is read, in bytes. It exceeds the caches that one process has for itself.
const LARGEST: u64 = 1 << 30;
/// The size of a word in bytes.
const WORD: usize = size_of::<u64>();

/// The measured limits of the machine on a number of threads, with which the speed of a network is compared.
pub struct Machine {
    pool: ThreadPool,
    memory: Vec<u64>,
}

impl Machine {
    /// Starts the threads and takes the memory that is read, for tasks that move at most this many bytes.
    ///
    /// # Errors
    /// Threads that cannot be started.
    pub fn new(threads: usize, most_bytes: u64) -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        let words = (most_bytes.min(LARGEST) as usize).div_ceil(WORD).max(threads);
        Ok(Self { pool, memory: vec![1; words] })
    }

    /// Measures the bandwidth at which the threads read memory of this size again and again, in 10⁹ bytes per second. A
    /// cache that is large enough holds it.
    ///
    /// # Errors
    /// None at present.
    pub fn bandwidth(&self, bytes: u64) -> Result<f64> {
        let threads = self.pool.current_num_threads();
        let words = usize::try_from(bytes)?.div_ceil(WORD).clamp(threads, self.memory.len());
        let (memory, passes) = (&self.memory[..words], (LEAST_READ / WORD).div_ceil(words));
        let read = |part: &[u64]| (0..passes).fold(0, |sum: u64, _| sum.wrapping_add(sum_of(black_box(part))));
        let parts = || memory.par_chunks(words.div_ceil(threads)).map(read).reduce(|| 0, u64::wrapping_add);
        let seconds = fastest(|| Ok(self.pool.install(parts)))?;
        Ok((passes * size_of_val(memory)) as f64 / seconds / 1e9)
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

fn sum_of(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
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
    fn a_machine_reads_memory_of_any_size_and_multiplies_matrices() {
        let machine = Machine::new(2, 1 << 20).unwrap();
        // No machine is slower than a megabyte and a million operations per second, or faster than a petabyte.
        let plausible = 1e-3..1e6;
        for bytes in [0, 1, 1 << 10, 1 << 20, 1 << 40] {
            assert!(plausible.contains(&machine.bandwidth(bytes).unwrap()), "{bytes}");
        }
        assert!(plausible.contains(&machine.product_gflops().unwrap()));
    }
}
