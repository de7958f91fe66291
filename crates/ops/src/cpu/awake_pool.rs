//! Many short parallel loops in a row. rayon's threads fall asleep a few microseconds after their last task, and to wake one
//! takes more than ten, about as long as half a layer of a small network takes for one image. Here they stay awake until the
//! last loop has ended, and the thread that runs the loops takes part in them without moving to the pool.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// The number of polls without success, about a millisecond, after which a thread that waits lets others have its core.
const PATIENCE: usize = 1 << 14;

/// The part that a thread takes in a call of [`run`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    None,
    /// It is in [`run`], and divides its loops between this number of threads.
    Runs(usize),
    /// It stays awake for a thread that is.
    Waits,
}

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(Role::None) };
}

/// Returns the number of threads, the calling one among them, that it keeps awake and may [`share`] its loops with; `None`
/// outside of [`run`].
pub fn threads() -> Option<usize> {
    if let Role::Runs(threads) = ROLE.get() { Some(threads) } else { None }
}

/// Runs `f` while `threads − 1` other threads of the current pool stay awake. One that gets no work for about a millisecond
/// falls asleep all the same, so that it does not hold up what else the pool has to do.
pub fn run<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    if ROLE.get() != Role::None {
        return f();
    }
    let done = Arc::new(AtomicBool::new(false));
    for _ in 1..threads {
        let done = Arc::clone(&done);
        // Nothing waits for these jobs to end.
        rayon::spawn(move || {
            // A thread that has a role already must not wait here: it could not go on with what it does in that role.
            if ROLE.get() == Role::None {
                let _role = in_role(Role::Waits);
                stay_awake_until(&done);
            }
        });
    }
    let _role = in_role(Role::Runs(threads));
    let _end = OnDrop(|| done.store(true, Ordering::Relaxed));
    f()
}

/// Sets the role of this thread until the value is dropped, also by a panic.
fn in_role(role: Role) -> OnDrop<impl Fn()> {
    ROLE.set(role);
    OnDrop(|| ROLE.set(Role::None))
}

/// Runs jobs of the pool as they come.
fn stay_awake_until(done: &AtomicBool) {
    let mut idle = 0;
    while idle < PATIENCE && !done.load(Ordering::Relaxed) {
        idle = if rayon::yield_now() == Some(rayon::Yield::Executed) { 0 } else { idle + 1 };
        std::hint::spin_loop();
    }
}

/// Calls `run_next`, which runs a task and returns whether there was one left, until there is none: on this thread and on up
/// to `threads − 1` others of the pool.
pub fn share(threads: usize, run_next: &(dyn Fn() -> bool + Sync)) {
    let helpers = threads.saturating_sub(1);
    let running = AtomicUsize::new(helpers);
    let run_all = || while run_next() {};
    if helpers == 0 {
        return run_all();
    }
    rayon::in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| {
                let _end = OnDrop(|| {
                    running.fetch_sub(1, Ordering::Release);
                });
                run_all();
            });
        }
        run_all();
        // At its end, the scope of a thread outside the pool would sleep until the others have finished.
        if self::threads().is_some() && rayon::current_thread_index().is_none() {
            let mut polls = 0;
            while running.load(Ordering::Acquire) > 0 {
                polls += 1;
                if polls < PATIENCE { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        }
    });
}

/// Calls a function when it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::parallel;

    /// Runs `task` for the numbers 0 to `len`.
    fn share_numbers(len: usize, threads: usize, task: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        share(threads, &|| {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i < len {
                task(i);
            }
            i < len
        });
    }

    /// Returns how often the task of each of the numbers 0 to `len` ran.
    fn visits(len: usize, threads: usize) -> Vec<usize> {
        let counts: Vec<_> = (0..len).map(|_| AtomicUsize::new(0)).collect();
        share_numbers(len, threads, |i| {
            counts[i].fetch_add(1, Ordering::Relaxed);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_task_runs_once_for_many_callers_at_a_time() {
        let caller = |threads| {
            for len in (0..40).cycle().take(400) {
                assert_eq!(run(threads, || visits(len, threads)), vec![1; len]);
            }
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| caller(2));
                scope.spawn(|| pool.install(|| caller(3)));
            }
        });
    }

    #[test]
    fn loops_are_divided_between_the_threads_that_stay_awake() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let parts = || [run(2, parallel::parts), parallel::parts()];
        assert_eq!(pool.install(parts), [2, 4]);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_the_run() {
        for bad in [0, 7] {
            let task = |i| assert!(i != bad, "task {i} fails");
            let result = std::panic::catch_unwind(|| run(2, || share_numbers(8, 2, task)));
            assert!(result.is_err() && threads().is_none());
        }
        assert_eq!(run(2, || visits(8, 2)), [1; 8]);
    }
}
