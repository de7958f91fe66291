//! The choice of learning rates, `--tune`.
//!
//! Every variant on all its data is trained at every rate of the suite's grid, for as long as the suite trains, with seeds
//! that the suite does not use. The rate with the best mean validation accuracy is chosen; if it is the lowest or the highest
//! that was tried, further rates are tried beyond it. Heads that are the same function get the same rate. Where few validation
//! images are held out, all training images are held out in turn instead. The test images are not read.

use std::path::Path;

use anyhow::Result;
use records::{Rates, RunConfig, Store, SuiteInfo, Trial, create_folder, file_name, write_file};

use crate::{
    files::{TRIALS_FILE, read_trials},
    misuse::Misuse,
    output::note,
    plan::Plan,
    rate_series::{rate_above, rate_below},
    run::Run,
    suite::LoadedSuite,
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
pub fn tune(suite: &LoadedSuite, folder: &Path, info: &SuiteInfo, options: &SweepOptions) -> Result<Rates> {
    check(suite)?;
    let Some(suite) = suite.for_choice(ENOUGH_IMAGES, FOLDS)? else {
        return Err(
            Misuse::new("--tune needs validation images, but the suite holds none out; set `validation`").into()
        );
    };
    let earlier = read_trials(folder)?;
    create_folder(folder)?;
    let existing = if options.existing == Existing::Discard { Existing::Discard } else { Existing::Extend };
    let options = SweepOptions { existing, weights: false, tensorboard: false, ..options.clone() };
    // Trains the variants that `is_tried` chooses by their order, with one learning rate.
    let tried = |lr: f64, is_tried: &dyn Fn(usize) -> bool| -> Result<Tried> {
        let mut plan = Plan::new(&suite.at_rate(lr, FIRST_SEED))?;
        plan.runs.retain(|run| is_tried(run.order));
        let store = Store::new(folder.join("tuning").join(file_name(&format!("lr-{lr}"))));
        let sweep = Sweep::begin(&plan, &store, info, &options)?;
        sweep.train()?;
        sweep.complete()?;
        drop(sweep);
        Ok(Tried { lr, plan, store })
    };
    let mut all = suite.lr_grid().iter().map(|&lr| tried(lr, &|_| true)).collect::<Result<Vec<_>>>()?;
    all.sort_by(|a, b| a.lr.total_cmp(&b.lr));
    let mut trials = choose(&suite, &all);
    for _ in 0..MAX_BEYOND {
        let (lowest, highest) = (all[0].lr, all[all.len() - 1].lr);
        let mut beyond = Vec::new();
        for (edge, lr) in [(lowest, rate_below(lowest)), (highest, rate_above(highest))] {
            let is_at_edge = |order: usize| is_best(&trials[order], edge);
            if (0..trials.len()).any(is_at_edge) {
                beyond.push(tried(lr, &is_at_edge)?);
            }
        }
        if beyond.is_empty() {
            break;
        }
        all.extend(beyond);
        all.sort_by(|a, b| a.lr.total_cmp(&b.lr));
        trials = choose(&suite, &all);
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

/// A learning rate, the runs that tried it and their records.
struct Tried {
    lr: f64,
    plan: Plan,
    store: Store,
}

/// The trials of each variant in the order of the plan, with the chosen one marked.
fn choose(suite: &LoadedSuite, all: &[Tried]) -> Vec<Vec<Trial>> {
    let orders = 1 + all.iter().flat_map(|tried| &tried.plan.runs).map(|run| run.order).max().unwrap_or_default();
    let mut trials: Vec<Vec<Trial>> = (0..orders).map(|order| trials_of(suite, order, all)).collect();
    let is_same = |trials: &[Vec<Trial>], a: usize, b: usize| {
        trials[a].first().zip(trials[b].first()).is_some_and(|(a, b)| a.is_of_same_function(b))
    };
    for first in 0..orders {
        let same: Vec<usize> = (0..orders).filter(|&other| is_same(&trials, first, other)).collect();
        if same.first() != Some(&first) {
            continue;
        }
        let mut joint = trials[first].clone();
        for (at, trial) in joint.iter_mut().enumerate() {
            let accuracies: Option<Vec<f64>> = same.iter().map(|&other| trials[other].get(at)?.val_top1).collect();
            trial.val_top1 = accuracies.map(|all| all.iter().sum::<f64>() / all.len() as f64);
        }
        Trial::choose(&mut joint);
        for other in same {
            trials[other].iter_mut().zip(&joint).for_each(|(trial, joint)| trial.chosen = joint.chosen);
        }
    }
    trials
}

/// The trials of one variant, in the order of the rates.
fn trials_of(suite: &LoadedSuite, order: usize, all: &[Tried]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for Tried { lr, plan, store } in all {
        let runs: Vec<&Run> = plan.runs.iter().filter(|run| run.order == order).collect();
        let accuracies = runs.iter().map(|run| store.find(&run.config())?.outcome?.val_top1).collect();
        trials.extend(runs.first().map(|run| trial(suite, run, *lr, accuracies)));
    }
    trials
}

/// Returns whether the best rate of a variant is `edge`, the lowest or highest that was tried. If every rate diverged, that is
/// the lowest.
fn is_best(trials: &[Trial], edge: f64) -> bool {
    let best = trials.iter().find(|trial| trial.chosen).or(trials.first());
    best.is_some_and(|trial| trial.lr == edge)
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

fn check(suite: &LoadedSuite) -> Result<(), Misuse> {
    let problem = if !suite.trains() {
        "--tune chooses learning rates, but the suite trains nothing"
    } else if suite.lr_grid().is_empty() {
        "--tune needs learning rates to try, but the suite has none; set `lr_grid`"
    } else if suite.has_fixed_rates() {
        "--tune has nothing to choose, because the learning rate of every variant is given"
    } else {
        return Ok(());
    };
    Err(Misuse::new(problem))
}

/// Describes the trial of a variant at one rate. `accuracies` are those of the seeds, `None` if one of them diverged.
fn trial(suite: &LoadedSuite, run: &Run, lr: f64, accuracies: Option<Vec<f64>>) -> Trial {
    let RunConfig { dataset, model, head, input, train_size, setting, .. } = run.config();
    let (has_inputs, has_sizes) = match suite {
        LoadedSuite::Images(suite, _) => (suite.canvases.len() > 1, suite.train_sizes.len() > 1),
        LoadedSuite::Pairs(..) => (false, false),
    };
    Trial {
        dataset,
        model,
        head,
        input: has_inputs.then_some(input),
        train_size: has_sizes.then_some(train_size),
        setting,
        lr,
        val_top1: accuracies.map(|all| 100. * all.iter().sum::<f64>() / all.len() as f64),
        chosen: false,
    }
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
}
