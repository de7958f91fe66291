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
    let record = |run| Some((run, store.find(&Run::config(run))?));
    let mut records: Vec<_> = plan.runs.iter().filter_map(record).collect();
    if records.iter().all(|(_, record)| record.speed.is_some()) {
        return Ok(());
    }
    let mut networks: Vec<&Run> = Vec::new();
    for run in plan.variants().filter(|variant| records.iter().any(|(run, _)| run.order == variant.order)) {
        if !networks.iter().any(|network| network.has_network_of(run)) {
            networks.push(run);
        }
    }
    let pool = thread_pool(threads)?;
    let speeds = interruptible(|| pool.install(|| time_networks(&networks)), kept)??;
    for (run, record) in &mut records {
        let index = networks.iter().position(|network| network.has_network_of(run));
        record.speed = index.map(|index| speeds[index].clone());
        store.save(record)?;
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
        let result = work();
        is_done.store(true, Ordering::SeqCst);
        result
    }))
}

/// Times the network of each run on the current rayon pool, in the order of the runs.
fn time_networks(runs: &[&Run]) -> Result<Vec<Speed>> {
    let timed = |run: &&Run| run.task.timed(&run.device.open()?, &run.optimizer);
    time_in_turn(&mut runs.iter().map(timed).collect::<Result<Vec<_>>>()?)
}
