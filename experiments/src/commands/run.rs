use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use datasets::{DatasetId, Shape};
use records::{Record, RunConfig, Status, Store, SuiteInfo, file_name};
use training::Length;

use crate::{
    errors::is_about_files,
    files::keep_suite,
    index::write_index,
    init::Init,
    interrupt::Interrupted,
    output::{note, print},
    plan::Plan,
    render::render,
    run::Run,
    suite::{self, AnySuite, Changes, LoadedSuite},
    sweep::{Sweep, SweepOptions},
    tune::tune,
};

/// The options of `run`.
#[derive(Debug, PartialEq)]
pub struct RunOptions {
    /// The name of a suite, or the path of a suite's file.
    pub suite: String,
    /// The changes that the options make to the suite.
    pub changes: Changes,
    /// The trained weights that the networks start from: a file, or the name of a network of the zoo.
    pub init: Option<String>,
    /// True if the backbone of these weights is not trained.
    pub freeze: bool,
    /// True if these weights may hold only a part of the backbone.
    pub partial: bool,
    /// True if learning rates are chosen first.
    pub tune: bool,
    /// The folder of the data sets' files.
    pub data_dir: Option<PathBuf>,
    /// True if pairs whose protein or compound is unknown are left out.
    pub skip_unknown: bool,
    /// The folder that contains the suites' folders.
    pub out: Option<PathBuf>,
    /// True if the plan is only shown.
    pub dry_run: bool,
    pub sweep: SweepOptions,
    /// The command line, for the page.
    pub typed: String,
}

impl RunOptions {
    /// Runs one seed of a suite for a few epochs, which is over in minutes.
    pub fn first_look(suite: &str, typed: String, resuming: String) -> Self {
        Self {
            suite: suite.into(),
            changes: Changes { seeds: Some(1), length: Some(Length::Epochs(4)), ..Changes::default() },
            init: None,
            freeze: false,
            partial: false,
            tune: false,
            data_dir: None,
            skip_unknown: false,
            out: None,
            dry_run: false,
            sweep: SweepOptions { resuming, weights: true, ..SweepOptions::default() },
            typed,
        }
    }
}

impl RunOptions {
    /// The changes to the suite. Where trained weights are given, but no model or head, those of the weights are chosen.
    fn changes(&self) -> Result<Changes> {
        let mut changes = self.changes.clone();
        if let Some(weights) = &self.init {
            let init = Init::new(weights, self.freeze, self.partial)?;
            if let Some(info) = init.info() {
                changes.models.get_or_insert(vec![info.model]);
                changes.heads.get_or_insert(vec![info.head]);
                if matches!(changes.dataset, Some(DatasetId::Folder(_))) {
                    changes.input.get_or_insert(Shape(info.input));
                }
            }
            changes.init = Some(init);
        }
        Ok(changes)
    }

    /// Applies the changes to a suite and loads its data. Also returns whether they changed nothing.
    pub(super) fn load(&self, original: &AnySuite) -> Result<(LoadedSuite, bool)> {
        let data_dir = self.data_dir.as_deref();
        let suite = original.with(&self.changes()?, data_dir)?;
        let is_same = suite == *original;
        let mut suite = suite.load(data_dir, self.skip_unknown)?;
        if let (LoadedSuite::Images(suite, data), Some(DatasetId::Folder(_)), None) =
            (&mut suite, &self.changes.dataset, self.changes.length)
        {
            suite.lengthen(data);
        }
        Ok((suite, is_same))
    }
}

/// Trains all runs of a suite and renders its tables.
pub fn run(options: &RunOptions) -> Result<()> {
    let original = suite::find(&options.suite)?;
    let (suite, is_same) = options.load(&original)?;
    let is_original = is_same && !options.tune && suite::is_shipped(&original);
    let name = match &options.out {
        None if !is_original => changed_name(&original, &suite),
        _ => original.name().to_string(),
    };
    let mut plan = Plan::new(&suite)?;
    let results = options.out.clone().unwrap_or_else(|| PathBuf::from("results"));
    let store = Store::new(results.join(&name));
    if options.dry_run {
        return print(&describe(&plan, store.folder(), &options.sweep));
    }
    if let Some(shard) = options.sweep.shard.filter(|_| plan.shard(options.sweep.shard).next().is_none()) {
        let (index, count, runs) = (shard.index, shard.count, plan.runs.len());
        note(&format!("nothing to do: the plan has {runs} runs, and none of them belongs to shard {index}/{count}"));
        return Ok(());
    }
    let info = SuiteInfo { name, question: original.question().to_string(), command: options.typed.clone(), order: 0 };
    if options.tune {
        let rates = tune(&suite, store.folder(), &info, &options.sweep)?;
        plan = Plan::new(&suite.with_rates(rates))?;
    }
    if !options.sweep.quiet {
        announce(&plan, &store, &options.sweep);
        if let Some(start) = plan.runs.first().map(|run| run.task.start()).transpose()?.flatten() {
            note(&start);
        }
    }
    let sweep = Sweep::begin(&plan, &store, &info, &options.sweep)?;
    let keep = || {
        keep_suite(store.folder(), original.text())?;
        plan.info()?.write(store.folder()).map_err(anyhow::Error::from)
    };
    keep()?;
    let swept = sweep.train_and_measure();
    if swept.as_ref().is_err_and(|error| error.is::<Interrupted>() || is_about_files(error)) {
        return swept;
    }
    // What has been trained is shown even if something failed, and even if another plan was begun here in the meantime.
    let rendered = keep().and_then(|()| render(store.folder(), &[store.folder()]));
    swept.and(rendered).and_then(|()| write_index(&results))?;
    check_any_learned(&plan, &store, &options.sweep)
}

/// Fails if all runs diverged, since their tables say nothing.
fn check_any_learned(plan: &Plan, store: &Store, options: &SweepOptions) -> Result<()> {
    let records: Vec<Record> = plan.shard(options.shard).filter_map(|run| store.find(&run.config())).collect();
    if let (Some(Record { status: Status::Diverged(at), .. }), true) =
        (records.first(), records.iter().all(|record| record.status != Status::Ok))
    {
        bail!("all {} runs diverged, the first one like this: {at}; try a lower --lr, or --tune", records.len())
    }
    Ok(())
}

/// The name of a suite that options have changed, or that is not part of the program. It contains the data set's name if the
/// suite's file has another one. Git ignores folders of results whose names end in `-custom`.
fn changed_name(original: &AnySuite, suite: &LoadedSuite) -> String {
    let name = original.name();
    match suite.other_dataset(original).map(file_name) {
        Some(dataset) if !dataset.is_empty() => format!("{name}-{dataset}-custom"),
        _ => format!("{name}-custom"),
    }
}

fn announce(plan: &Plan, store: &Store, options: &SweepOptions) {
    let lacking: Vec<String> = plan.variants().filter(|run| run.lacks_rate).map(Run::variant_title).collect();
    if !lacking.is_empty() {
        note(&format!("no learning rate was tuned for these variants, `--tune` does it: {}", lacking.join("; ")));
    }
    note(&format!("{} runs, into {}", plan.shard(options.shard).count(), store.folder().display()));
}

/// The plan in text, one line per run.
fn describe(plan: &Plan, folder: &Path, options: &SweepOptions) -> String {
    let runs: Vec<&Run> = plan.shard(options.shard).collect();
    let mut text = format!("{} runs, into {}\n", runs.len(), folder.display());
    for run in runs {
        let config = run.config();
        let (samples, RunConfig { train_size, input, augment, .. }) = (config.samples(), config);
        let augmented = augment.map_or(String::new(), |augment| format!(", augmented by {augment},"));
        text += &format!(
            "{run}: {} of {train_size} {samples} {input}{augmented} in batches of {}, lr {}, {}, {}\n",
            run.length, run.batch_size, run.lr, run.schedule, run.optimizer
        );
    }
    text
}
