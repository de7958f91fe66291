//! The choice of learning rates, `--tune`.
//!
//! Every variant on all its data is trained at every rate of the suite's grid, for as long as the suite trains, with seeds
//! that the suite does not use. The rate with the best mean validation accuracy is chosen; if it is the lowest or the highest
//! that was tried, further rates are tried beyond it. Heads that are the same function get the same rate. Where few validation
//! images are held out, all training images are held out in turn instead. The test images are not read.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use datasets::{Shape, Splits};
use records::{Rates, RunConfig, Store, SuiteInfo, Trial, create_folder, file_name, write_file};

use crate::{
    files::{TRIALS_FILE, read_trials},
    misuse::Misuse,
    output::note,
    plan::Plan,
    rate_series::{rate_above, rate_below},
    run::Run,
    suite::{Suite, Variant},
    sweep::{Existing, Sweep, SweepOptions},
};

/// The first seed of the trials, beyond those of any suite. It is a multiple of [`FOLDS`].
const FIRST_SEED: u64 = 1_000_000;
/// The number of validation images with which the standard error of an accuracy of 90 % is 1.3 points. Fewer are too few to
/// choose a rate by.
const ENOUGH_IMAGES: usize = 500;
/// The number of parts that are held out in turn where validation images are too few.
const FOLDS: usize = 5;
/// The number of rates that are tried beyond each end of the grid.
const MAX_BEYOND: usize = 3;

/// Chooses the learning rates of the suite's variants and writes all trials into `folder/tuning.csv`, before those of earlier
/// calls. Finished trials of an earlier call are not trained again.
///
/// # Errors
/// [`Misuse`] for a suite without validation images, without a grid, or without learning rates to choose.
pub fn tune(
    suite: &Suite,
    data: &[Arc<Splits>],
    folder: &Path,
    info: &SuiteInfo,
    options: &SweepOptions,
) -> Result<Rates> {
    check(suite)?;
    let (data, is_in_folds) = for_choice(data)?;
    if is_in_folds {
        note(&format!(
            "few validation images are held out, so that --tune holds out all training images in {FOLDS} parts"
        ));
    }
    let seeds = if is_in_folds { suite.tuning_seeds.max(FOLDS) } else { suite.tuning_seeds };
    let suite = &Suite { seeds, first_seed: FIRST_SEED, rates: Rates::default(), measure: None, ..suite.clone() };
    let earlier = read_trials(folder)?;
    create_folder(folder)?;
    let existing = if options.existing == Existing::Discard { Existing::Discard } else { Existing::Extend };
    let options = SweepOptions { existing, weights: false, tensorboard: false, ..options.clone() };
    let tried = |lr: f64, of: &dyn Fn(&Variant) -> bool| -> Result<Tried> {
        let plan = Plan::new(&at_rate(suite, lr, of), &data)?;
        let store = Store::new(folder.join("tuning").join(file_name(&format!("lr-{lr}"))));
        let sweep = Sweep::begin(&plan, &store, info, &options)?;
        sweep.train()?;
        sweep.complete()?;
        drop(sweep);
        Ok(Tried { lr, store })
    };
    let mut all = suite.lr_grid.iter().map(|&lr| tried(lr, &|_| true)).collect::<Result<Vec<_>>>()?;
    let whole = Plan::new(&at_rate(suite, suite.lr, &|_| true), &data)?;
    let mut trials = choose(suite, &whole, &all);
    for _ in 0..MAX_BEYOND {
        let rates: Vec<f64> = all.iter().map(|tried| tried.lr).collect();
        let (lowest, highest) = rates.iter().fold((f64::MAX, 0f64), |(low, high), &lr| (low.min(lr), high.max(lr)));
        for (edge, beyond) in [(lowest, rate_below(lowest)), (highest, rate_above(highest))] {
            let at_edge: Vec<&Vec<Trial>> = trials.iter().filter(|trials| is_best(trials, edge)).collect();
            if !at_edge.is_empty() {
                let is_at_edge = |variant: &Variant| {
                    let names = (variant.model.to_string(), variant.head.to_string());
                    at_edge.iter().any(|trials| (&trials[0].model, &trials[0].head) == (&names.0, &names.1))
                };
                all.push(tried(beyond, &is_at_edge)?);
            }
        }
        if all.len() == rates.len() {
            break;
        }
        all.sort_by(|a, b| a.lr.total_cmp(&b.lr));
        trials = choose(suite, &whole, &all);
    }
    if !options.quiet {
        trials.iter().for_each(|of_variant| note(&line(of_variant)));
    }
    let mut trials: Vec<Trial> = trials.into_iter().flatten().collect();
    let rates = Rates::new(&trials);
    trials.extend(not_repeated(earlier, &trials));
    write_file(&folder.join(TRIALS_FILE), report::tuning_csv(&trials)?)?;
    Ok(rates)
}

/// A learning rate that was tried with some of the variants.
struct Tried {
    lr: f64,
    store: Store,
}

/// The data on which rates are chosen, with validation images in the place of the test images, and whether some of them hold
/// out all training images in turn.
fn for_choice(data: &[Arc<Splits>]) -> Result<(Vec<Arc<Splits>>, bool)> {
    let mut is_in_folds = false;
    let mut chosen_by = Vec::new();
    for data in data {
        let Some(without_test) = data.without_test() else {
            let needs = "--tune needs validation images, but the suite holds none out; set `validation`";
            return Err(Misuse::new(needs).into());
        };
        chosen_by.push(Arc::new(if without_test.test.len() >= ENOUGH_IMAGES {
            without_test
        } else {
            is_in_folds = true;
            data.in_folds(FOLDS)?
        }));
    }
    Ok((chosen_by, is_in_folds))
}

/// The trials of each variant, with the chosen one marked. The variants are those of the plan.
fn choose(suite: &Suite, whole: &Plan, all: &[Tried]) -> Vec<Vec<Trial>> {
    let mut trials: Vec<Vec<Trial>> = whole.variants().map(|variant| trials_of(suite, whole, variant, all)).collect();
    for first in 0..trials.len() {
        let same: Vec<usize> =
            (first..trials.len()).filter(|&other| same_function(&trials[first][0], &trials[other][0])).collect();
        if (0..first).any(|before| same_function(&trials[before][0], &trials[first][0])) {
            continue;
        }
        let mut joint = trials[first].clone();
        for (at, trial) in joint.iter_mut().enumerate() {
            let accuracies: Option<Vec<f64>> = same.iter().map(|&other| trials[other].get(at)?.val_top1).collect();
            trial.val_top1 = accuracies.map(|all| all.iter().sum::<f64>() / all.len() as f64);
        }
        Trial::choose(&mut joint);
        for other in same {
            let chosen = joint.iter().map(|trial| trial.chosen);
            trials[other].iter_mut().zip(chosen).for_each(|(trial, chosen)| trial.chosen = chosen);
        }
    }
    trials
}

/// Returns whether two variants are the same function on the same data: the mean of a linear layer's values at all positions
/// is the linear layer of their mean.
fn same_function(a: &Trial, b: &Trial) -> bool {
    let function = |trial: &Trial| {
        let head = if trial.head == "gap" { "gap-fc".into() } else { trial.head.clone() };
        Trial { head, lr: 0., val_top1: None, chosen: false, ..trial.clone() }
    };
    function(a) == function(b)
}

/// The trials of one variant of the plan.
fn trials_of(suite: &Suite, whole: &Plan, variant: &Run, all: &[Tried]) -> Vec<Trial> {
    let configs: Vec<RunConfig> = whole.runs.iter().filter(|run| run.order == variant.order).map(Run::config).collect();
    let mut trials = Vec::new();
    for Tried { lr, store } in all {
        let records = configs.iter().map(|config| store.find(&RunConfig { lr: *lr, ..config.clone() }));
        // Rates beyond the grid are not tried with all variants.
        let Some(records) = records.collect::<Option<Vec<_>>>() else { continue };
        let accuracies: Option<Vec<f64>> = records.iter().map(|record| record.outcome.as_ref()?.val_top1).collect();
        trials.push(Trial {
            dataset: variant.data.name.clone(),
            model: variant.model.to_string(),
            head: variant.head.to_string(),
            input: (suite.canvases.len() > 1).then(|| Shape(variant.input()).to_string()),
            train_size: (suite.train_sizes.len() > 1).then_some(variant.data.train.len()),
            setting: variant.setting.clone(),
            lr: *lr,
            val_top1: accuracies.map(|all| 100. * all.iter().sum::<f64>() / all.len() as f64),
            chosen: false,
        });
    }
    trials
}

/// Returns whether the best rate of a variant is `edge`, the lowest or highest that it was tried at. If every rate diverged,
/// that is the lowest.
fn is_best(trials: &[Trial], edge: f64) -> bool {
    let lowest = trials.iter().map(|trial| trial.lr).fold(f64::MAX, f64::min);
    trials.iter().find(|trial| trial.chosen).map_or(lowest, |trial| trial.lr) == edge
}

/// The earlier trials of other variants, and those of the same variants at other rates, which then are not chosen.
fn not_repeated(earlier: Vec<Trial>, trials: &[Trial]) -> Vec<Trial> {
    let variant = |trial: &Trial| {
        let Trial { dataset, model, head, input, train_size, setting, .. } = trial.clone();
        (dataset, model, head, input, train_size, setting)
    };
    let is_repeated = |trial: &Trial| trials.iter().any(|new| variant(new) == variant(trial) && new.lr == trial.lr);
    let others = earlier.into_iter().filter(|trial| !is_repeated(trial));
    let is_retried = |trial: &Trial| trials.iter().any(|new| variant(new) == variant(trial));
    others.map(|trial| Trial { chosen: trial.chosen && !is_retried(&trial), ..trial }).collect()
}

fn check(suite: &Suite) -> Result<(), Misuse> {
    let problem = if !suite.trains() {
        "--tune chooses learning rates, but the suite trains nothing"
    } else if suite.lr_grid.is_empty() {
        "--tune needs learning rates to try, but the suite has none; set `lr_grid`"
    } else if suite.variants.iter().all(|variant| variant.fixed_lr) {
        "--tune has nothing to choose, because the learning rate of every variant is given"
    } else {
        return Ok(());
    };
    Err(Misuse::new(problem))
}

/// Summarises the trials of a variant in a line, as in `two-conv fc: 0.01 97.30 %, *0.03 97.55 %`.
fn line(trials: &[Trial]) -> String {
    let rate = |trial: &Trial| {
        let mark = if trial.chosen { "*" } else { "" };
        let top1 = trial.val_top1.map_or("diverged".into(), |top1| format!("{top1:.2} %"));
        format!("{mark}{} {top1}", trial.lr)
    };
    let Some(first) = trials.first() else { return String::new() };
    let rates: Vec<String> = trials.iter().map(rate).collect();
    let input = first.input.as_ref().map_or(String::new(), |input| format!(", {input}"));
    let size = first.train_size.map_or(String::new(), |size| format!(", {size} images"));
    let setting = first.setting.as_ref().map_or(String::new(), |setting| format!(", {setting}"));
    format!("{} {}{input}{size}{setting}: {}", first.model, first.head, rates.join(", "))
}

/// The suite that tries one rate with some of its variants.
fn at_rate(suite: &Suite, lr: f64, of: &dyn Fn(&Variant) -> bool) -> Suite {
    let mut suite = suite.clone();
    suite.variants.retain(|variant| !variant.fixed_lr && of(variant));
    suite.variants.iter_mut().for_each(|variant| (variant.lr, variant.seeds) = (lr, None));
    suite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trials_are_told_in_a_line() {
        let trial = |lr, val_top1, chosen| Trial {
            dataset: "mnist-mini".into(),
            model: "two-conv".into(),
            head: "fc".into(),
            input: None,
            train_size: Some(100),
            setting: None,
            lr,
            val_top1,
            chosen,
        };
        let trials = [trial(0.1, None, false), trial(0.01, Some(95.), true), trial(0.03, Some(90.), false)];
        assert_eq!(line(&trials), "two-conv fc, 100 images: 0.1 diverged, *0.01 95.00 %, 0.03 90.00 %");
    }

    #[test]
    fn equal_functions_are_those_of_gap_and_gap_fc_on_the_same_data() {
        let trial = |head: &str, train_size, lr| Trial {
            dataset: "mnist-mini".into(),
            model: "two-conv".into(),
            head: head.into(),
            input: None,
            train_size,
            setting: None,
            lr,
            val_top1: None,
            chosen: false,
        };
        let gap = trial("gap", Some(100), 0.1);
        assert!(same_function(&gap, &trial("gap-fc", Some(100), 0.3)));
        for other in [trial("gmp-fc", Some(100), 0.1), trial("gap-fc", Some(300), 0.1), trial("gap-fc", None, 0.1)] {
            assert!(!same_function(&gap, &other));
        }
    }
}
