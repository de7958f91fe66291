//! Times the tasks of parallel loops on one thread, for [`Schedule`](crate::schedule::Schedule).

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// Holds what a thread has recorded.
struct Recorder {
    /// The number of threads that loops are divided for.
    threads: usize,
    /// The times of the tasks of each loop.
    loops: Vec<Vec<Duration>>,
}

/// Runs `f` with the loops of this thread divided as for `threads` threads, and returns the times of their tasks.
pub fn record<R>(threads: usize, f: impl FnOnce() -> R) -> (R, Vec<Vec<Duration>>) {
    /// Ends the recording, also where `f` panics.
    struct Recording(Option<Recorder>);
    impl Drop for Recording {
        fn drop(&mut self) {
            RECORDER.set(self.0.take());
        }
    }
    let _recording = Recording(RECORDER.replace(Some(Recorder { threads, loops: Vec::new() })));
    let result = f();
    let loops = RECORDER.with_borrow_mut(Option::take).map(|recorder| recorder.loops);
    (result, loops.unwrap_or_default())
}

/// Returns the number of threads that loops are to be divided for, if this thread records.
pub fn threads() -> Option<usize> {
    RECORDER.with_borrow(|recorder| recorder.as_ref().map(|recorder| recorder.threads))
}

/// Calls `run_next`, which runs a task of a loop and returns whether there was one left, until there is none, and records the
/// times of the tasks.
pub fn run(run_next: &dyn Fn() -> bool) {
    let time_next = || {
        let start = Instant::now();
        run_next().then(|| start.elapsed())
    };
    let times = std::iter::from_fn(time_next).collect();
    RECORDER.with_borrow_mut(|recorder| {
        if let Some(recorder) = recorder {
            recorder.loops.push(times);
        }
    });
}
