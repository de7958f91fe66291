//! Sweeps. Runs are trained concurrently, each on its own threads, so that every run gives what it would give alone. Several
//! processes may work on one plan in one folder: each run is trained by one of them.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use records::{PlanState, RunConfig, Store, SuiteInfo, create_folder};
use training::{Checkpoints, DeviceKind};

use crate::{
    errors::{in_one_line, is_about_files},
    events::events_file,
    files::save_pictures,
    interrupt::{Graceful, Interrupted},
    machine,
    plan::Plan,
    progress::Progress,
    run::Run,
    shard::Shard,
    speed::measure_speed,
    train::{RunFiles, conditions, train},
};

/// The time between two looks at what another process is doing.
const WAIT: Duration = Duration::from_millis(100);

/// How a plan's runs are executed. None of it changes their results.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepOptions {
    /// The number of threads, which concurrent runs share.
    pub threads: usize,
    /// The part of the runs to train; all of them if `None`.
    pub shard: Option<Shard>,
    pub existing: Existing,
    /// True if the trained weights are saved.
    pub weights: bool,
    /// True if the curves of the runs are written for TensorBoard.
    pub tensorboard: bool,
    /// True if only results are printed.
    pub quiet: bool,
    /// The command line that goes on after an interruption.
    pub resuming: String,
}

/// The treatment of records of the plan that exist before the sweep. Records of other plans are never touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// An interrupted sweep is resumed. Records of a completed one are replaced, each when its run is finished.
    Resume,
    /// Records are kept.
    Extend,
    /// All records are replaced, also those of an interrupted sweep.
    Discard,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self {
            threads: machine::available_cores(),
            shard: None,
            existing: Existing::Resume,
            weights: false,
            tensorboard: false,
            quiet: false,
            resuming: String::new(),
        }
    }
}

/// The work on a plan in a folder of results.
pub struct Sweep<'a> {
    plan: &'a Plan,
    store: &'a Store,
    info: &'a SuiteInfo,
    options: &'a SweepOptions,
    state: PlanState,
}

impl<'a> Sweep<'a> {
    /// Begins or resumes the work.
    ///
    /// # Errors
    /// A folder that cannot be written, and a plan that is to be started over while another process is at work.
    pub fn begin(plan: &'a Plan, store: &'a Store, info: &'a SuiteInfo, options: &'a SweepOptions) -> Result<Self> {
        let fresh = options.existing == Existing::Discard;
        let configs: Vec<RunConfig> = plan.runs.iter().map(Run::config).collect();
        let state = PlanState::begin(store, &plan.hash()?, fresh, &configs)?;
        if options.existing == Existing::Extend {
            for config in configs.iter().filter(|config| store.find(config).is_some()) {
                state.finish(config)?;
            }
        }
        Ok(Self { plan, store, info, options, state })
    }

    /// Trains the runs of the plan, or of a shard, that are not finished, then measures speed.
    ///
    /// # Errors
    /// Those of [`train`](Self::train), after everything else is done that still can be.
    pub fn train_and_measure(&self) -> Result<()> {
        let trained = self.train();
        if trained.as_ref().is_err_and(|error| error.is::<Interrupted>() || is_about_files(error)) {
            return trained;
        }
        // Speeds can be compared only if all variants took turns, so an incomplete shard measures none.
        let complete = self.is_complete();
        let measured =
            if complete || self.options.shard.is_none() { self.measure_and_complete(complete) } else { Ok(()) };
        trained.and(measured)
    }

    /// Trains the runs of the plan, or of a shard, that are not finished.
    ///
    /// # Errors
    /// [`Interrupted`]; at once, a file that cannot be written; and after all other runs are done, the number of those that
    /// failed. Each has been reported by then.
    pub fn train(&self) -> Result<()> {
        let missing: VecDeque<&Run> =
            self.plan.shard(self.options.shard).filter(|run| !self.state.is_finished(&run.config())).collect();
        let (to_train, steps) = (missing.len(), missing.iter().map(|run| run.updates()).sum());
        let progress = Progress::new(steps, self.options.quiet);
        self.announce(&progress, to_train);
        let graceful = Graceful::begin().context("cannot handle signals")?;
        let failed = self.train_all(missing, &graceful, &progress);
        drop(progress);
        let failed = failed.map_err(|error| match is_about_files(&error) {
            true => error.context(format!("the sweep had to stop ({})", self.kept())),
            false => error,
        })?;
        if graceful.is_asked() {
            return Err(Interrupted(format!("interrupted: {}", self.kept())).into());
        }
        if failed > 0 { Err(anyhow!("{failed} of {to_train} runs failed")) } else { Ok(()) }
    }

    /// Completes the plan: the next sweep of it trains all its runs again.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn complete(&self) -> Result<()> {
        Ok(self.state.complete()?)
    }

    fn is_complete(&self) -> bool {
        self.plan.runs.iter().all(|run| self.state.is_finished(&run.config()))
    }

    /// Says what is there already.
    fn announce(&self, progress: &Progress, to_train: usize) {
        let (runs, folder) = (&self.plan.runs, self.store.folder().display());
        if self.state.is_shared {
            progress.note(format_args!("another process is at work in {folder}; runs that both need are trained once"));
        }
        let finished = runs.iter().filter(|run| self.state.is_finished(&run.config())).count();
        let recorded = runs.iter().filter(|run| self.store.find(&run.config()).is_some()).count();
        let replaced = recorded.saturating_sub(finished);
        let (all, extends) = (runs.len(), self.options.existing == Existing::Extend);
        if extends && finished > 0 {
            progress.note(format_args!("extending: {finished} of {all} runs are finished, {to_train} to train"));
        } else if self.state.is_resumed && !extends {
            progress.note(format_args!(
                "resuming an interrupted sweep: {finished} of {all} runs are finished, {to_train} to train"
            ));
        }
        if replaced > 0 && to_train > 0 {
            progress.note(format_args!(
                "{replaced} of the {all} runs have a record of an earlier sweep, which is replaced when the run is finished"
            ));
        }
    }

    /// Says what an interruption leaves, and how to go on.
    fn kept(&self) -> String {
        let configs: Vec<RunConfig> = self.plan.runs.iter().map(Run::config).collect();
        let finished = configs.iter().filter(|config| self.state.is_finished(config)).count();
        let begun = configs.iter().filter(|config| self.state.checkpoint(config).exists()).count();
        let begun = match begun {
            0 => String::new(),
            1 => ", 1 more has a checkpoint".into(),
            begun => format!(", {begun} more have a checkpoint"),
        };
        let (all, folder, command) = (configs.len(), self.store.folder().display(), &self.options.resuming);
        format!("{finished} of {all} runs are finished{begun}; they are kept in {folder}, and `{command}` goes on")
    }

    /// Trains the runs and returns how many of them failed.
    fn train_all(&self, runs: VecDeque<&Run>, graceful: &Graceful, progress: &Progress) -> Result<usize> {
        // Concurrent runs on an accelerator would only wait for each other.
        let on_cpu = runs.iter().all(|run| run.device == DeviceKind::Cpu);
        let concurrent = if on_cpu { self.options.threads.min(runs.len()) } else { 1 }.max(1);
        let (left, failed) = (AtomicUsize::new(runs.len()), AtomicUsize::new(0));
        let (queue, fatal) = (Mutex::new(runs), Mutex::new(None));
        progress.set_runs_left(left.load(Ordering::Relaxed));
        let work = || -> Result<()> {
            let pool = machine::thread_pool(self.options.threads / concurrent)?;
            while let Some(run) = next(&queue).filter(|_| !graceful.is_asked()) {
                match self.train_claimed(run, &pool, graceful, progress) {
                    Ok(Attempt::Elsewhere) => {
                        lock(&queue).push_back(run);
                        thread::sleep(WAIT);
                        continue;
                    }
                    Ok(Attempt::Over) => {}
                    // Every other run would fail for the same reason.
                    Err(error) if is_about_files(&error) => {
                        lock(&fatal).get_or_insert(error.context(run.to_string()));
                        graceful.asked().store(true, Ordering::SeqCst);
                    }
                    Err(error) => {
                        progress.warn(format_args!("error: {run}: {}", in_one_line(&error)));
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
                progress.set_runs_left(left.fetch_sub(1, Ordering::Relaxed) - 1);
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..concurrent).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a run panicked"))?)
        })?;
        match fatal.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(failed.into_inner()),
        }
    }

    /// Trains a run and saves its record, unless another process does or has done so.
    fn train_claimed(
        &self,
        run: &Run,
        pool: &rayon::ThreadPool,
        graceful: &Graceful,
        progress: &Progress,
    ) -> Result<Attempt> {
        let config = run.config();
        let Some(_claim) = self.state.claim(&config)? else { return Ok(Attempt::Elsewhere) };
        if self.state.is_finished(&config) {
            progress.skip(run.updates());
            return Ok(Attempt::Over);
        }
        if let Some(aside) = self.store.set_aside_foreign(&config)? {
            let (path, now, reason) = (aside.path.display(), aside.now.display(), aside.reason);
            progress.warn(format_args!("{path} is not the record of {run}: {reason}; it is now {now}"));
        }
        let checkpoints = Checkpoints::new(self.state.checkpoint(&config), conditions(run)?).stop_on(graceful.asked());
        let bar = progress.start_run(run.to_string(), run.updates());
        let folder = self.store.folder();
        let weights = self.options.weights.then(|| self.store.weights(&config));
        let events = self.options.tensorboard.then(|| events_file(folder, &config));
        [&weights, &events].into_iter().flatten().filter_map(|file| file.parent()).try_for_each(create_folder)?;
        // Only one network of each variant is drawn.
        let is_first = Some(run.seed) == self.plan.runs.first().map(|run| run.seed);
        let files = RunFiles { weights, events, pictures: is_first };
        let trained = pool.install(|| train(run, self.info.clone(), &checkpoints, files, &bar))?;
        let Some((record, pictures)) = trained else { return Ok(Attempt::Over) };
        if is_first {
            save_pictures(folder, run, &pictures)?;
        }
        self.store.save(&record)?;
        self.state.finish(&config)?;
        Ok(Attempt::Over)
    }

    /// Measures speed and completes the plan, unless another process does or has done so.
    fn measure_and_complete(&self, complete: bool) -> Result<()> {
        let _claim = loop {
            if complete && self.state.is_completed() {
                return Ok(());
            }
            match self.state.claim_completion()? {
                Some(claim) => break claim,
                None => thread::sleep(WAIT),
            }
        };
        measure_speed(self.plan, self.store, self.options.threads, || self.kept())?;
        if complete { self.complete() } else { Ok(()) }
    }
}

/// The result of an attempt to make a run in this process.
enum Attempt {
    /// It is finished, or stopped.
    Over,
    /// Another process is training it.
    Elsewhere,
}

fn next<'a>(queue: &Mutex<VecDeque<&'a Run>>) -> Option<&'a Run> {
    lock(queue).pop_front()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
