//! `--tune`: each variant's learning rate, for each data set, input and size of the training set, chosen on the validation
//! images before the seeds run.
//!
//! Every variant is trained at every rate of the suite's grid, with the budget of the suite itself and seeds that it
//! does not use. The test images are not read.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result};

use crate::{
    cli::{RunOptions, Shape},
    data::Data,
    misuse::Misuse,
    plan::{Plan, RunConfig},
    record::SuiteInfo,
    render,
    store::{Store, write},
    suite::{Rates, Suite, Trial},
    sweep::train_missing,
};

const SEEDS: usize = 2;
const FIRST_SEED: u64 = 1_000_000;

/// The rates that are best for the suite's variants; writes down in `folder` how they were found. What an earlier call
/// has trained there is not trained again.
///
/// # Errors
/// [`Misuse`] for a suite that has nothing to choose by, from or for.
pub fn tune(suite: &Suite, data: &[Arc<Data>], folder: &Path, info: &SuiteInfo, options: &RunOptions) -> Result<Rates> {
    let misuse = |message: &str| Err(Misuse::new(message).into());
    if !suite.trains() {
        return misuse("--tune chooses learning rates, and this suite trains nothing");
    }
    let Some(data) = data.iter().map(|data| data.without_test().map(Arc::new)).collect::<Option<Vec<_>>>() else {
        return misuse("--tune chooses on validation images, and this suite holds none out: set `validation`");
    };
    if suite.lr_grid.is_empty() {
        return misuse("--tune needs rates to try, and this suite names none: set `lr_grid`");
    }
    if suite.variants.iter().all(|variant| variant.fixed_lr) {
        return misuse("--tune has nothing to choose: the suite gives every variant its `lr`");
    }
    let trials_folder = folder.join("tuning");
    if options.fresh && trials_folder.exists() {
        fs::remove_dir_all(&trials_folder).with_context(|| trials_folder.display().to_string())?;
    }
    let mut plans = Vec::new();
    for &lr in &suite.lr_grid {
        let plan = Plan::new(&at_rate(suite, lr), &data)?;
        let store = Store::new(trials_folder.join(format!("lr-{lr}")));
        let options = RunOptions { extend: true, fresh: false, ..options.clone() };
        train_missing(&plan, &store, info, &options)?;
        store.complete()?;
        plans.push((lr, plan, store));
    }
    let mut trials = Vec::new();
    for variant in plans.first().iter().flat_map(|(_, plan, _)| plan.variants()) {
        let mut of_variant = Vec::new();
        for (lr, plan, store) in &plans {
            let runs = plan.runs.iter().filter(|run| run.order == variant.order);
            let accuracies = runs.map(|run| store.find(run)?.outcome?.val_top1).collect::<Option<Vec<f64>>>();
            of_variant.push(trial(suite, variant, *lr, accuracies));
        }
        choose(&mut of_variant);
        if !options.quiet {
            eprintln!("{}", in_words(&of_variant));
        }
        trials.extend(of_variant);
    }
    write(&folder.join("tuning.csv"), &render::trials(&trials)?)?;
    Ok(Rates::new(&trials))
}

/// `accuracies` are those of the seeds; none if one of them diverged.
fn trial(suite: &Suite, run: &RunConfig, lr: f64, accuracies: Option<Vec<f64>>) -> Trial {
    Trial {
        dataset: run.data.name.clone(),
        model: run.model.to_string(),
        head: run.head.to_string(),
        input: (suite.canvases.len() > 1).then(|| Shape(run.input()).to_string()),
        train_size: (suite.train_sizes.len() > 1).then_some(run.data.train.len()),
        lr,
        val_top1: accuracies.map(|all| 100. * all.iter().sum::<f64>() / all.len() as f64),
        chosen: false,
    }
}

/// Marks the rate of the highest accuracy, of equally good ones the lowest; none if all diverged.
fn choose(trials: &mut [Trial]) {
    let better = |a: &Trial, b: &Trial| a.val_top1 > b.val_top1 || (a.val_top1 == b.val_top1 && a.lr < b.lr);
    if let Some(best) = trials.iter_mut().reduce(|a, b| if better(b, a) { b } else { a }) {
        best.chosen = best.val_top1.is_some();
    }
}

/// As `two-conv fc: 0.01 97.30 %, *0.03 97.55 %`.
fn in_words(trials: &[Trial]) -> String {
    let rate = |trial: &Trial| {
        let mark = if trial.chosen { "*" } else { "" };
        let top1 = trial.val_top1.map_or("diverged".into(), |top1| format!("{top1:.2} %"));
        format!("{mark}{} {top1}", trial.lr)
    };
    let Some(first) = trials.first() else { return String::new() };
    let rates: Vec<String> = trials.iter().map(rate).collect();
    let input = first.input.as_ref().map_or(String::new(), |input| format!(", {input}"));
    let size = first.train_size.map_or(String::new(), |size| format!(", {size} images"));
    format!("{} {}{input}{size}: {}", first.model, first.head, rates.join(", "))
}

/// The runs that try one rate.
fn at_rate(suite: &Suite, lr: f64) -> Suite {
    let mut suite =
        Suite { seeds: SEEDS, first_seed: FIRST_SEED, rates: Rates::default(), measure: None, ..suite.clone() };
    suite.variants.retain(|variant| !variant.fixed_lr);
    suite.variants.iter_mut().for_each(|variant| (variant.lr, variant.seeds) = (lr, None));
    suite
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials(of_rates: [Option<f64>; 3]) -> Vec<Trial> {
        let trial = |(lr, val_top1)| Trial {
            dataset: "mnist-mini".into(),
            model: "two-conv".into(),
            head: "fc".into(),
            input: None,
            train_size: Some(100),
            lr,
            val_top1,
            chosen: false,
        };
        [0.1, 0.01, 0.03].into_iter().zip(of_rates).map(trial).collect()
    }

    #[test]
    fn the_best_rate_is_chosen_of_equal_ones_the_lowest_and_never_one_that_diverged() {
        for (of_rates, best) in [
            ([Some(0.9), Some(0.95), Some(0.94)], Some(0.01)),
            ([Some(0.9), Some(0.8), Some(0.9)], Some(0.03)),
            ([None, Some(0.1), None], Some(0.01)),
            ([None, None, None], None),
        ] {
            let mut trials = trials(of_rates);
            choose(&mut trials);
            let chosen: Vec<f64> = trials.iter().filter(|trial| trial.chosen).map(|trial| trial.lr).collect();
            assert_eq!(chosen, best.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_trials_are_told_in_a_line() {
        let mut trials = trials([None, Some(95.), Some(90.)]);
        choose(&mut trials);
        assert_eq!(in_words(&trials), "two-conv fc, 100 images: 0.1 diverged, *0.01 95.00 %, 0.03 90.00 %");
    }
}
