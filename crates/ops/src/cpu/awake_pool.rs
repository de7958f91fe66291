//! Many short parallel loops in a row. rayon's threads fall asleep a few microseconds after their last task, and to wake one
//! takes more than ten, about as long as half a layer of a small network takes for one image. Here they stay awake until the
//! last loop has ended, and the thread that runs the loops takes part in them without moving to the pool.
//!
//! The threads poll a pointer to the current loop, so that one begins about a quarter of a microsecond after it is there. Through
//! rayon's queue it takes up to one and a half, mostly because rayon wakes another thread for it.

use std::{
    any::Any,
    cell::RefCell,
    hint,
    panic::{self, AssertUnwindSafe},
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
    },
    thread,
};

/// The number of polls without success, about a millisecond, after which a thread that waits lets others have its core.
const PATIENCE: usize = 1 << 16;

/// The number of polls between two looks for other jobs of the pool and for other threads, which take longer.
const POLLS_PER_LOOK: usize = 1 << 6;

/// The part that a thread takes in a call of [`run`].
enum Role {
    None,
    /// It is in [`run`], and these threads stay awake for it.
    Runs(Arc<Team>),
    /// It stays awake for a thread that is.
    Waits,
}

thread_local! {
    static ROLE: RefCell<Role> = const { RefCell::new(Role::None) };
}

/// Returns what a thread in [`run`] shares its loops with; `None` outside of it.
fn team() -> Option<Arc<Team>> {
    ROLE.with_borrow(|role| if let Role::Runs(team) = role { Some(Arc::clone(team)) } else { None })
}

fn has_role() -> bool {
    ROLE.with_borrow(|role| !matches!(role, Role::None))
}

/// Returns the number of threads, the calling one among them, that it keeps awake and may [`share`] its loops with; `None`
/// outside of [`run`].
pub fn threads() -> Option<usize> {
    ROLE.with_borrow(|role| if let Role::Runs(team) = role { Some(team.helpers + 1) } else { None })
}

/// Runs `f` while `threads − 1` other threads of the current pool stay awake. One that gets no work for about a millisecond
/// falls asleep all the same, so that it does not hold up what else the pool has to do.
pub fn run<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    if has_role() {
        return f();
    }
    let team = Arc::new(Team { helpers: threads.saturating_sub(1), ..Team::default() });
    team.call_helpers();
    let _role = in_role(Role::Runs(Arc::clone(&team)));
    let _end = OnDrop(|| team.has_ended.store(true, Ordering::Relaxed));
    f()
}

/// Sets the role of this thread until the value is dropped, also by a panic.
fn in_role(role: Role) -> OnDrop<impl Fn()> {
    ROLE.set(role);
    OnDrop(|| ROLE.set(Role::None))
}

/// A thread in [`run`] and its helpers. They take part in a loop when they notice it: the thread waits for those that have
/// begun to, and for no others.
#[derive(Default)]
struct Team {
    /// The largest number of helpers.
    helpers: usize,
    /// The number of helpers that are awake or have been called.
    called: AtomicUsize,
    /// The number of loops that there have been.
    loops: AtomicUsize,
    /// The current loop, null between two of them. It is valid for a helper that has added itself to `inside` before it read
    /// the pointer.
    current: AtomicPtr<Loop<'static>>,
    /// The number of helpers that use `current`.
    inside: AtomicUsize,
    has_ended: AtomicBool,
}

/// A loop that a team shares.
struct Loop<'a> {
    run_next: &'a (dyn Fn() -> bool + Sync),
    /// The payload of a helper's panic, if one has panicked.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Team {
    /// Wakes threads of the pool until there are enough.
    fn call_helpers(self: &Arc<Self>) {
        for _ in self.called.load(Ordering::Relaxed)..self.helpers {
            self.called.fetch_add(1, Ordering::Relaxed);
            let team = Arc::clone(self);
            // Nothing waits for these jobs to end.
            rayon::spawn(move || {
                let _end = OnDrop(|| {
                    team.called.fetch_sub(1, Ordering::Relaxed);
                });
                // A thread that has a role already must not wait here: it could not go on with what it does in that role.
                if !has_role() {
                    let _role = in_role(Role::Waits);
                    team.stay_awake();
                }
            });
        }
    }

    /// Takes part in the loops, and runs jobs of the pool as they come.
    fn stay_awake(&self) {
        let (mut loops, mut idle) = (0, 0);
        while idle < PATIENCE && !self.has_ended.load(Ordering::Relaxed) {
            let new = self.loops.load(Ordering::Acquire);
            if new != loops {
                (loops, idle) = (new, 0);
                self.help();
            } else if idle % POLLS_PER_LOOK == 0 && rayon::yield_now() == Some(rayon::Yield::Executed) {
                idle = 0;
            } else {
                if idle % POLLS_PER_LOOK == 0 {
                    // Candle's own threads may wait for a core.
                    thread::yield_now();
                }
                idle += 1;
                hint::spin_loop();
            }
        }
    }

    /// Takes part in the current loop, if it has not ended yet.
    fn help(&self) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let _end = OnDrop(|| {
            self.inside.fetch_sub(1, Ordering::Release);
        });
        // SAFETY: a pointer that is not null was set by `share`, which resets it before it waits for `inside` to be 0, and
        // only then lets go of the loop. In the one order of these operations, it finds this thread inside.
        if let Some(current) = unsafe { self.current.load(Ordering::SeqCst).as_ref() }
            && let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| while (current.run_next)() {}))
        {
            *current.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
    }

    /// Does what [`share`] does, with the helpers.
    fn share(self: &Arc<Self>, run_next: &(dyn Fn() -> bool + Sync)) {
        self.call_helpers();
        let of_helpers = Loop { run_next, panic: Mutex::new(None) };
        self.current.store(ptr::from_ref(&of_helpers).cast_mut().cast(), Ordering::SeqCst);
        self.loops.fetch_add(1, Ordering::Release);
        let end = OnDrop(|| {
            self.current.store(ptr::null_mut(), Ordering::SeqCst);
            let mut polls = 0;
            while self.inside.load(Ordering::SeqCst) > 0 {
                polls += 1;
                if polls < PATIENCE { hint::spin_loop() } else { thread::yield_now() }
            }
        });
        while run_next() {}
        drop(end);
        if let Some(panic) = of_helpers.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            panic::resume_unwind(panic);
        }
    }
}

/// Calls `run_next`, which runs a task and returns whether there was one left, until there is none: on this thread and on up
/// to `threads − 1` others of the pool.
pub fn share(threads: usize, run_next: &(dyn Fn() -> bool + Sync)) {
    let run_all = || while run_next() {};
    if threads <= 1 {
        return run_all();
    }
    if let Some(team) = team() {
        return team.share(run_next);
    }
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| run_all());
        }
        run_all();
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
        thread::scope(|scope| {
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
    fn helpers_that_have_fallen_asleep_come_again() {
        let two_at_a_time = || {
            let both = std::sync::Barrier::new(2);
            share_numbers(2, 2, |_| {
                both.wait();
            });
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
            run(2, || {
                for _ in 0..3 {
                    thread::sleep(std::time::Duration::from_millis(50));
                    two_at_a_time();
                }
            });
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_the_run() {
        for bad in [0, 7] {
            let task = |i| assert!(i != bad, "task {i} fails");
            let result = panic::catch_unwind(|| run(2, || share_numbers(8, 2, task)));
            assert!(result.is_err() && threads().is_none());
        }
        assert_eq!(run(2, || visits(8, 2)), [1; 8]);
    }
}
