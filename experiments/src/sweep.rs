//! Runs side by side, each on threads of its own, so that every run gives what it would give alone.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result, anyhow};

use crate::{
    cli::{DeviceKind, RunOptions},
    plan::{Plan, RunConfig},
    progress::Progress,
    record::SuiteInfo,
    speed,
    store::Store,
    train::train,
};

/// Trains what the plan (or this shard of it) lacks in `store`, then measures speed.
///
/// # Errors
/// As [`train_missing`], after everything else is done.
pub fn sweep(plan: &Plan, store: &Store, info: &SuiteInfo, options: &RunOptions) -> Result<()> {
    let trained = train_missing(plan, store, info, options);
    let present: Vec<&RunConfig> = plan.runs.iter().filter(|run| store.find(run).is_some()).collect();
    let complete = present.len() == plan.runs.len();
    // Speeds are comparable only where all variants took turns: a shard alone measures none.
    let mut measured = Ok(());
    if complete || options.shard.is_none() {
        measured = measure_speed(plan, &present, store, options.threads());
    }
    if complete && measured.is_ok() {
        store.complete()?;
    }
    trained.and(measured)
}

/// Trains what the plan (or this shard of it) lacks in `store`.
///
/// # Errors
/// When the others are done: that runs failed, by number; each has been reported by then.
pub fn train_missing(plan: &Plan, store: &Store, info: &SuiteInfo, options: &RunOptions) -> Result<()> {
    let kept = prepare(plan, store, options)?;
    let missing: Vec<&RunConfig> = plan.of_shard(options.shard).filter(|run| store.find(run).is_none()).collect();

    let progress = Progress::new(missing.iter().map(|run| run.steps()).sum(), options.quiet);
    if kept > 0 {
        let (why, all) =
            (if options.extend { "extending" } else { "going on with an interrupted sweep" }, plan.runs.len());
        progress.note(&format!("{why}: {kept} of {all} runs are there, {} to train", missing.len()));
    }
    let first_seed = plan.runs.first().map(|run| run.seed);
    let failed = train_all(&missing, first_seed, store, info, options.threads(), &progress)?;
    progress.finish();
    if failed > 0 { Err(anyhow!("{failed} of {} runs failed", missing.len())) } else { Ok(()) }
}

/// Makes the folder ready; gives the number of finished runs in it that count.
fn prepare(plan: &Plan, store: &Store, options: &RunOptions) -> Result<usize> {
    let hash = plan.hash();
    let continued = store.is_unfinished(&hash) && !options.fresh;
    if !continued && !options.extend {
        store.set_aside()?;
    }
    store.begin(&hash)?;
    Ok(plan.runs.iter().filter(|run| store.find(run).is_some()).count())
}

/// Gives the number of runs that failed.
fn train_all(
    runs: &[&RunConfig],
    first_seed: Option<u64>,
    store: &Store,
    info: &SuiteInfo,
    threads: usize,
    progress: &Progress,
) -> Result<usize> {
    // Runs on an accelerator would only wait for each other.
    let on_cpu = runs.iter().all(|run| run.device == DeviceKind::Cpu);
    let concurrent = if on_cpu { threads.min(runs.len()) } else { 1 }.max(1);
    let (next, done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    progress.runs_left(runs.len());
    let work = || -> Result<()> {
        let pool = pool(threads / concurrent)?;
        while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let bar = progress.run(run.to_string(), run.steps());
            let bar = Mutex::new(bar);
            let step = |loss| bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).step(loss);
            let trained = pool.install(|| train(run, info.clone(), step));
            let saved = trained.and_then(|(record, maps)| {
                // One network of each variant is looked at.
                if let Some(maps) = maps.filter(|_| Some(run.seed) == first_seed) {
                    store.save_maps(run, &maps)?;
                }
                store.save(run, &record)
            });
            if let Err(error) = saved {
                progress.warn(&format!("error: {run}: {error:#}"));
                failed.fetch_add(1, Ordering::Relaxed);
            }
            progress.runs_left(runs.len() - done.fetch_add(1, Ordering::Relaxed) - 1);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..concurrent).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a run panicked"))?)
    })?;
    Ok(failed.into_inner())
}

fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("starting threads")
}

/// Measures every network that has a record, unless all have been measured, and writes it into all their records.
/// Neither data set nor size of the training set makes a network faster or slower.
fn measure_speed(plan: &Plan, present: &[&RunConfig], store: &Store, threads: usize) -> Result<()> {
    let mut records: Vec<_> = present.iter().filter_map(|run| Some((*run, store.find(run)?))).collect();
    if records.iter().all(|(_, record)| record.speed.is_some()) {
        return Ok(());
    }
    let mut networks: Vec<&RunConfig> = Vec::new();
    for run in plan.variants().filter(|variant| present.iter().any(|run| run.order == variant.order)) {
        if !networks.iter().any(|other| same_network(other, run)) {
            networks.push(run);
        }
    }
    let speeds = pool(threads)?.install(|| speed::measure(&networks))?;
    for (run, record) in &mut records {
        let index = networks.iter().position(|network| same_network(network, run));
        record.speed = index.map(|index| speeds[index].clone());
        store.save(run, record)?;
    }
    Ok(())
}

fn same_network(a: &RunConfig, b: &RunConfig) -> bool {
    let built_for = |run: &RunConfig| (run.model, run.head.clone(), run.input(), run.data.classes, run.device);
    built_for(a) == built_for(b)
}
