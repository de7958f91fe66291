//! How many times as fast more threads could make a computation: its parallel loops are timed task by task on one thread,
//! and distributed among threads by calculation. So a machine with few cores tells what more of them would gain.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use ops::{Window, schedule::Schedule};
//!
//! # fn main() -> candle_core::Result<()> {
//! let x = Tensor::randn(0f32, 1., (64, 8, 32, 32), &Device::Cpu)?;
//! let w = Tensor::randn(0f32, 1., (16, 8, 3, 3), &Device::Cpu)?;
//! let (_, schedule) = Schedule::record(4, || ops::conv2d(&x, &w, None, &Window::conv(3).into()));
//! assert!((1. ..=4.).contains(&schedule.speedup()));
//! assert!((0. ..=1.).contains(&schedule.serial_share()));
//! # Ok(())
//! # }
//! ```

use std::time::{Duration, Instant};

use crate::cpu::recorder;

/// The times of a computation's parts as they would be given to a number of threads.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    threads: usize,
    total: Duration,
    /// The tasks of each parallel loop, in the order in which threads take them.
    loops: Vec<Vec<Duration>>,
}

impl Schedule {
    /// Runs `f` on this thread, with its parallel loops divided as for `threads` threads, and times every task.
    ///
    /// Only the loops of this crate's kernels count as parallel. What candle computes itself counts as serial.
    pub fn record<R>(threads: usize, f: impl FnOnce() -> R) -> (R, Self) {
        let start = Instant::now();
        let (result, loops) = recorder::record(threads.max(1), f);
        (result, Self { threads: threads.max(1), total: start.elapsed(), loops })
    }

    /// Returns the share of the time that is outside of parallel loops, from 0 to 1.
    pub fn serial_share(&self) -> f64 {
        self.serial().as_secs_f64() / self.total.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Returns how many times as fast the threads would be as a single one, if handing over tasks took no time and each
    /// thread were as fast as a single one alone: an upper bound.
    pub fn speedup(&self) -> f64 {
        let loops: Duration = self.loops.iter().map(|tasks| longest(tasks, self.threads)).sum();
        self.total.as_secs_f64() / (self.serial() + loops).as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn serial(&self) -> Duration {
        self.total.saturating_sub(self.loops.iter().flatten().sum())
    }
}

/// Returns the time until the last of some threads is done, if each takes the next task as soon as it is free.
fn longest(tasks: &[Duration], threads: usize) -> Duration {
    let mut busy = vec![Duration::ZERO; threads];
    for task in tasks {
        if let Some(first) = busy.iter_mut().min() {
            *first += *task;
        }
    }
    busy.into_iter().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(threads: usize, total: u64, loops: &[&[u64]]) -> Schedule {
        let loops = loops.iter().map(|tasks| tasks.iter().map(|&task| Duration::from_secs(task)).collect());
        Schedule { threads, total: Duration::from_secs(total), loops: loops.collect() }
    }

    #[test]
    fn threads_take_the_next_task_when_they_are_free() {
        // 2 s serial; then 3 | 1 + 1 + 1, and 4 | 2.
        let schedule = schedule(2, 14, &[&[3, 1, 1, 1], &[4, 2]]);
        assert_eq!(schedule.serial_share(), 2. / 14.);
        assert_eq!(schedule.speedup(), 14. / (2. + 3. + 4.));
    }

    #[test]
    fn one_thread_gains_nothing_and_no_number_of_threads_divides_a_task() {
        assert_eq!(schedule(1, 10, &[&[4, 5]]).speedup(), 1.);
        assert_eq!(schedule(16, 10, &[&[5, 5]]).speedup(), 2.);
        assert_eq!(schedule(16, 10, &[]).serial_share(), 1.);
    }
}
