use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, bail};
use candle_core::Device;
use datasets::{DatasetId, Shape, Splits};
use records::{Record, Status, Store, SuiteInfo, file_name};
use training::Parameters;

use crate::{
    data::check_input,
    files::{is_about_files, keep_suite},
    index::write_index,
    init::Init,
    interrupt::Interrupted,
    output::{note, print},
    plan::Plan,
    render::render,
    run::Run,
    suite::{self, Changes, Suite},
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
    /// The folder that contains the suites' folders.
    pub out: Option<PathBuf>,
    /// True if the plan is only shown.
    pub dry_run: bool,
    pub sweep: SweepOptions,
    /// The command line, for the page.
    pub typed: String,
}

impl RunOptions {
    /// Runs a suite as it is.
    pub fn new(suite: &str, typed: String, resuming: String) -> Self {
        Self {
            suite: suite.into(),
            changes: Changes::default(),
            init: None,
            freeze: false,
            partial: false,
            tune: false,
            data_dir: None,
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
}

/// Trains all runs of a suite and renders its tables.
pub fn run(options: &RunOptions) -> Result<()> {
    let original = suite::find(&options.suite)?;
    let mut suite = original.with(&options.changes()?);
    suite.datasets.iter().try_for_each(|id| check_input(id, options.changes.input))?;
    let data = suite.data_spec()?.load(options.data_dir.as_deref())?;
    if let (Some(DatasetId::Folder(_)), None) = (&options.changes.dataset, options.changes.length) {
        suite.lengthen(&data);
    }
    let is_original = suite == original && !options.tune && suite::is_shipped(&original);
    if !is_original && options.out.is_none() {
        suite.name = changed_name(&original, &data);
    }
    let mut plan = Plan::new(&suite, &data)?;
    let results = options.out.clone().unwrap_or_else(|| PathBuf::from("results"));
    let store = Store::new(results.join(&suite.name));
    if options.dry_run {
        return print(&describe(&plan, store.folder(), &options.sweep));
    }
    if let Some(shard) = options.sweep.shard.filter(|_| plan.shard(options.sweep.shard).next().is_none()) {
        let (index, count, runs) = (shard.index, shard.count, plan.runs.len());
        note(&format!("nothing to do: the plan has {runs} runs, and none of them belongs to shard {index}/{count}"));
        return Ok(());
    }
    let info = SuiteInfo {
        name: suite.name.clone(),
        question: suite.question.clone(),
        command: options.typed.clone(),
        order: 0,
    };
    if options.tune {
        plan = tuned(&mut suite, &data, &store, &info, &options.sweep)?;
    }
    if !options.sweep.quiet {
        announce(&plan, &store, &options.sweep);
        if let [run @ Run { init: Some(init), .. }, ..] = plan.runs.as_slice() {
            let parameters = Parameters::zeros(&Device::Cpu);
            note(&init.describe(&mut run.build(&parameters)?, &parameters)?);
        }
    }
    let sweep = Sweep::begin(&plan, &store, &info, &options.sweep)?;
    let keep = || {
        keep_suite(store.folder(), &suite.text)?;
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

/// The name of a suite that options have changed, or that is not part of the program. It contains the data set's name if the suite's file has another one. Git
/// ignores folders of results whose names end in `-custom`.
fn changed_name(original: &Suite, data: &[Arc<Splits>]) -> String {
    let other = data.iter().find(|data| !original.datasets.contains(&data.id)).map(|data| file_name(&data.name));
    match other {
        Some(dataset) if !dataset.is_empty() => format!("{}-{dataset}-custom", original.name),
        _ => format!("{}-custom", original.name),
    }
}

/// Chooses the suite's learning rates and plans its runs again.
fn tuned(
    suite: &mut Suite,
    data: &[Arc<Splits>],
    store: &Store,
    info: &SuiteInfo,
    options: &SweepOptions,
) -> Result<Plan> {
    suite.rates = tune(suite, data, store.folder(), info, options)?;
    Ok(Plan::new(suite, data)?)
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
        let augmentation = run.augmentation;
        let augmented = if augmentation.is_none() { String::new() } else { format!(", augmented by {augmentation},") };
        text += &format!(
            "{run}: {} of {} images {}{augmented} in batches of {}, lr {}, {}, {}\n",
            run.length,
            run.data.train.len(),
            Shape(run.input()),
            run.batch_size,
            run.lr,
            run.schedule,
            run.optimizer
        );
    }
    text
}
