//! The speed of a sweep's networks, measured apart from training.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use records::{Speed, Store};
use timing::time_in_turn;

use crate::{
    interrupt::{EXIT_CODE, Graceful},
    machine::thread_pool,
    output::note,
    plan::Plan,
    run::Run,
};

/// The time between two looks at whether the user has interrupted the measurement.
const WAIT: Duration = Duration::from_millis(50);

/// Times each network that has a record in `store` and writes its speed into all of its records, unless all records have a
/// speed. The data set and the number of training images have no influence on a network's speed. If the user interrupts the
/// measurement, the program ends and prints what is `kept`.
pub fn measure_speed(plan: &Plan, store: &Store, threads: usize, kept: impl Fn() -> String + Sync) -> Result<()> {
    let has_speed = |run| Some((run, store.find(&Run::config(run))?.speed.is_some()));
    let recorded: Vec<(&Run, bool)> = plan.runs.iter().filter_map(has_speed).collect();
    if recorded.iter().all(|(_, has_speed)| *has_speed) {
        return Ok(());
    }
    let mut networks: Vec<&Run> = Vec::new();
    for run in plan.variants().filter(|variant| recorded.iter().any(|(run, _)| run.order == variant.order)) {
        if !networks.iter().any(|network| network.has_network_of(run)) {
            networks.push(run);
        }
    }
    let pool = thread_pool(threads)?;
    let speeds = interruptible(|| pool.install(|| time_networks(&networks)), kept)??;
    for (run, _) in recorded {
        // Another process may have replaced the record in the meantime.
        let Some(mut record) = store.find(&run.config()) else { continue };
        let index = networks.iter().position(|network| network.has_network_of(run));
        record.speed = index.map(|index| speeds[index].clone());
        store.save(&record)?;
    }
    Ok(())
}

/// Does work that writes nothing, so that the program may end at once if the user interrupts it.
fn interruptible<T>(work: impl FnOnce() -> T, kept: impl Fn() -> String + Sync) -> Result<T> {
    let graceful = Graceful::begin().context("cannot handle signals")?;
    let is_done = AtomicBool::new(false);
    Ok(thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::SeqCst) {
                if graceful.is_asked() {
                    note(&format!("interrupted while speed was measured: {}", kept()));
                    process::exit(EXIT_CODE.into());
                }
                thread::sleep(WAIT);
            }
        });
        let _done = SetWhenDropped(&is_done);
        work()
    }))
}

/// Sets a flag at the end of its scope, also where that is left by a panic.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Times the network of each run on the current rayon pool, in the order of the runs.
fn time_networks(runs: &[&Run]) -> Result<Vec<Speed>> {
    let timed = |run: &&Run| run.task.timed(&run.device.open()?, &run.optimizer);
    time_in_turn(&mut runs.iter().map(timed).collect::<Result<Vec<_>>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_not_waited_for() {
        let panics = || interruptible(|| panic!("expected by this test"), String::new);
        assert!(std::panic::catch_unwind(panics).is_err());
    }
}
