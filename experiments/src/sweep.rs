//! Sweeps. Runs are trained concurrently, each on its own threads, so that every run gives what it would give alone.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result, anyhow};
use records::{Store, SuiteInfo};
use training::DeviceKind;

use crate::{
    files::save_maps,
    machine,
    plan::{Plan, Run},
    progress::Progress,
    shard::Shard,
    speed::time_networks,
    train::train,
};

/// How a plan's runs are executed. None of it changes their results.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepOptions {
    /// The number of threads, which concurrent runs share.
    pub threads: usize,
    /// The part of the runs to train; all of them if `None`.
    pub shard: Option<Shard>,
    pub existing: Existing,
    /// True if only results are printed.
    pub quiet: bool,
}

/// The treatment of records that exist before the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// An interrupted sweep of the same plan is resumed; other records are replaced.
    Resume,
    /// Records of the same configuration are kept.
    Extend,
    /// All records are replaced, also those of an interrupted sweep.
    Discard,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self { threads: machine::available_cores(), shard: None, existing: Existing::Resume, quiet: false }
    }
}

/// Trains the runs of the plan, or of a shard, that are missing in `store`, then measures speed.
///
/// # Errors
/// Those of [`train_missing`], after everything else is done.
pub fn sweep(plan: &Plan, store: &Store, info: &SuiteInfo, options: &SweepOptions) -> Result<()> {
    let trained = train_missing(plan, store, info, options);
    let present: Vec<&Run> = plan.runs.iter().filter(|run| store.find(&run.config()).is_some()).collect();
    let complete = present.len() == plan.runs.len();
    // Speeds can be compared only if all variants took turns, so an incomplete shard measures none.
    let mut measured = Ok(());
    if complete || options.shard.is_none() {
        measured = measure_speed(plan, &present, store, options.threads);
    }
    if complete && measured.is_ok() {
        store.complete()?;
    }
    trained.and(measured)
}

/// Trains the runs of the plan, or of a shard, that are missing in `store`.
///
/// # Errors
/// After all other runs are done, the number of those that failed. Each has been reported by then.
pub fn train_missing(plan: &Plan, store: &Store, info: &SuiteInfo, options: &SweepOptions) -> Result<()> {
    prepare_store(plan, store, options.existing)?;
    let kept = plan.runs.iter().filter(|run| store.find(&run.config()).is_some()).count();
    let missing: Vec<&Run> = plan.shard(options.shard).filter(|run| store.find(&run.config()).is_none()).collect();

    let progress = Progress::new(missing.iter().map(|run| run.updates()).sum(), options.quiet);
    if kept > 0 {
        let action = if options.existing == Existing::Extend { "extending" } else { "resuming an interrupted sweep" };
        progress.note(&format!(
            "{action}: {kept} of {} runs are finished, {} to train",
            plan.runs.len(),
            missing.len()
        ));
    }
    let first_seed = plan.runs.first().map(|run| run.seed);
    let failed = train_all(&missing, first_seed, store, info, options.threads, &progress)?;
    progress.finish();
    if failed > 0 { Err(anyhow!("{failed} of {} runs failed", missing.len())) } else { Ok(()) }
}

/// Prepares the folder and moves away the records that are to be replaced.
fn prepare_store(plan: &Plan, store: &Store, existing: Existing) -> Result<()> {
    let hash = plan.hash()?;
    let keep = match existing {
        Existing::Resume => store.is_unfinished(&hash),
        Existing::Extend => true,
        Existing::Discard => false,
    };
    if !keep {
        store.set_aside()?;
    }
    Ok(store.begin(&hash)?)
}

/// Trains the runs and returns how many of them failed.
fn train_all(
    runs: &[&Run],
    first_seed: Option<u64>,
    store: &Store,
    info: &SuiteInfo,
    threads: usize,
    progress: &Progress,
) -> Result<usize> {
    // Concurrent runs on an accelerator would only wait for each other.
    let on_cpu = runs.iter().all(|run| run.device == DeviceKind::Cpu);
    let concurrent = if on_cpu { threads.min(runs.len()) } else { 1 }.max(1);
    let (next, done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    progress.set_runs_left(runs.len());
    let work = || -> Result<()> {
        let pool = thread_pool(threads / concurrent)?;
        while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let bar = Mutex::new(progress.start_run(run.to_string(), run.updates()));
            let step = |loss| bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).step(loss);
            let trained = pool.install(|| train(run, info.clone(), step));
            let saved = trained.and_then(|(record, maps)| {
                // Only one network of each variant is drawn.
                if let Some(maps) = maps.filter(|_| Some(run.seed) == first_seed) {
                    save_maps(store.folder(), run, &maps)?;
                }
                Ok(store.save(&record)?)
            });
            if let Err(error) = saved {
                progress.warn(&format!("error: {run}: {error:#}"));
                failed.fetch_add(1, Ordering::Relaxed);
            }
            progress.set_runs_left(runs.len() - done.fetch_add(1, Ordering::Relaxed) - 1);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..concurrent).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a run panicked"))?)
    })?;
    Ok(failed.into_inner())
}

fn thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("cannot start threads")
}

/// Times each network that has a record and writes its speed into all of its records, unless all records have a speed.
/// The data set and the number of training images have no influence on a network's speed.
fn measure_speed(plan: &Plan, present: &[&Run], store: &Store, threads: usize) -> Result<()> {
    let mut records: Vec<_> = present.iter().filter_map(|run| Some((*run, store.find(&run.config())?))).collect();
    if records.iter().all(|(_, record)| record.speed.is_some()) {
        return Ok(());
    }
    let mut networks: Vec<&Run> = Vec::new();
    for run in plan.variants().filter(|variant| present.iter().any(|run| run.order == variant.order)) {
        if !networks.iter().any(|network| network.has_network_of(run)) {
            networks.push(run);
        }
    }
    let speeds = thread_pool(threads)?.install(|| time_networks(&networks))?;
    for (run, record) in &mut records {
        let index = networks.iter().position(|network| network.has_network_of(run));
        record.speed = index.map(|index| speeds[index].clone());
        store.save(record)?;
    }
    Ok(())
}
