//! Many short parallel loops in a row. rayon's threads fall asleep a few microseconds after their last task, and to wake one
//! takes more than ten, about as long as half a layer of a small network takes for one image. Here they stay awake until the
//! last loop has ended, and the thread that runs the loops takes part in them without moving to the pool.

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// The number of polls without success after which a thread that waits lets other programs run.
const PATIENCE: usize = 1 << 12;

thread_local! {
    /// True on a thread while it is in [`run`].
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether the calling thread keeps the pool awake, and may [`share`] its loops.
pub fn is_running() -> bool {
    IS_RUNNING.get()
}

/// Runs `f` while the other `threads − 1` threads of the current pool stay awake.
pub fn run<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    if is_running() {
        return f();
    }
    let (own, done) = (rayon::current_thread_index(), &AtomicBool::new(false));
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            // The thread that runs `f` takes such a task if `f` has ended before another did.
            scope.spawn(move |_| {
                wait_until(
                    || rayon::yield_now(),
                    || rayon::current_thread_index() == own || done.load(Ordering::Relaxed),
                );
            });
        }
        IS_RUNNING.set(true);
        // Also after a panic.
        let _end = OnDrop(|| {
            IS_RUNNING.set(false);
            done.store(true, Ordering::Relaxed);
        });
        f()
    })
}

/// Runs `f` on all tasks, the first part of them on this thread and the others on the pool.
pub fn share<T: Send>(mut tasks: Vec<T>, threads: usize, f: impl Fn(T) + Sync) {
    let (len, f, running) = (tasks.len().div_ceil(threads).max(1), &f, &AtomicUsize::new(0));
    rayon::in_place_scope(|scope| {
        while tasks.len() > len {
            let part = tasks.split_off((tasks.len() - 1) / len * len);
            running.fetch_add(1, Ordering::Relaxed);
            scope.spawn(move |_| {
                let _end = OnDrop(|| {
                    running.fetch_sub(1, Ordering::Release);
                });
                part.into_iter().for_each(f);
            });
        }
        tasks.into_iter().for_each(f);
        // At its end, the scope of a thread outside the pool would sleep until the others have finished.
        if rayon::current_thread_index().is_none() {
            wait_until(|| None, || running.load(Ordering::Acquire) == 0);
        }
    });
}

/// Polls until `ended` returns `true`. `work` does what else there is to do.
fn wait_until(work: impl Fn() -> Option<rayon::Yield>, ended: impl Fn() -> bool) {
    let mut idle = 0;
    while !ended() {
        idle = if work() == Some(rayon::Yield::Executed) { 0 } else { idle + 1 };
        if idle < PATIENCE {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// Calls a function when it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
