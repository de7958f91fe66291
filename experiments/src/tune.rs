//! `--tune`: each variant's learning rate, chosen on the validation images before the seeds run.
//!
//! Every variant is trained at every rate of the suite's grid, with the budget of the suite itself and seeds that it
//! does not use. The test images are not read.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    cli::RunOptions,
    data::Data,
    misuse::Misuse,
    plan::Plan,
    record::{Record, SuiteInfo},
    render,
    store::{Store, write},
    suite::{Suite, Variant},
    sweep::train_missing,
};

const SEEDS: usize = 2;
const FIRST_SEED: u64 = 1_000_000;

/// What became of one variant at one rate.
pub struct Trial {
    pub dataset: String,
    pub model: String,
    pub head: String,
    pub lr: f64,
    /// Validation accuracy, 0..1, the mean over the seeds; none if one of them diverged.
    pub val_top1: Option<f64>,
    pub chosen: bool,
}

/// The suite's variants with the best rates; writes down in `folder` how they were found. What an earlier call has
/// trained there is not trained again.
pub fn tune(suite: &Suite, data: &Data, folder: &Path, info: &SuiteInfo, options: &RunOptions) -> Result<Vec<Variant>> {
    let data = data.without_test().ok_or_else(|| {
        Misuse::new("--tune chooses on validation images, and this suite holds none out: set `validation`")
    })?;
    if suite.lr_grid.is_empty() {
        return Err(Misuse::new("--tune needs rates to try, and this suite names none: set `lr_grid`").into());
    }
    let trials_folder = folder.join("tuning");
    if options.fresh && trials_folder.exists() {
        fs::remove_dir_all(&trials_folder).with_context(|| trials_folder.display().to_string())?;
    }
    let mut by_rate = Vec::new();
    for &lr in &suite.lr_grid {
        let plan = Plan::new(&at_rate(suite, lr), &data)?;
        let store = Store::new(trials_folder.join(format!("lr-{lr}")));
        let options = RunOptions { extend: true, fresh: false, ..options.clone() };
        train_missing(&plan, &data, &store, info, &options)?;
        store.complete()?;
        let records: Vec<Record> = plan.runs.iter().filter_map(|run| store.find(run)).collect();
        by_rate.push((lr, records));
    }
    let (mut trials, mut variants) = (Vec::new(), suite.variants.clone());
    for variant in &mut variants {
        let of_variant = by_rate.iter().map(|(lr, records)| {
            let (model, head) = (variant.model.to_string(), variant.head.to_string());
            let mine = records.iter().filter(|record| record.text("model") == model && record.text("head") == head);
            let accuracies: Option<Vec<f64>> = mine.map(|record| record.outcome.as_ref()?.val_top1).collect();
            let val_top1 =
                accuracies.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64);
            Trial { dataset: data.name.clone(), model, head, lr: *lr, val_top1, chosen: false }
        });
        let mut of_variant: Vec<Trial> = of_variant.collect();
        if let Some(best) = choose(&mut of_variant) {
            variant.lr = best;
        }
        if !options.quiet {
            eprintln!("{}", in_words(&of_variant));
        }
        trials.extend(of_variant);
    }
    write(&folder.join("tuning.csv"), &render::trials(&trials)?)?;
    Ok(variants)
}

/// Marks the rate of the highest accuracy, of equally good ones the lowest, and gives it; none if all diverged.
fn choose(trials: &mut [Trial]) -> Option<f64> {
    let better = |a: &Trial, b: &Trial| a.val_top1 > b.val_top1 || (a.val_top1 == b.val_top1 && a.lr < b.lr);
    let best = trials.iter_mut().reduce(|a, b| if better(b, a) { b } else { a })?;
    best.val_top1?;
    best.chosen = true;
    Some(best.lr)
}

/// As `two-conv fc: 0.01 97.30 %, *0.03 97.55 %`.
fn in_words(trials: &[Trial]) -> String {
    let rate = |trial: &Trial| {
        let mark = if trial.chosen { "*" } else { "" };
        let top1 = trial.val_top1.map_or("diverged".into(), |top1| format!("{:.2} %", 100. * top1));
        format!("{mark}{} {top1}", trial.lr)
    };
    let Some(first) = trials.first() else { return String::new() };
    let rates: Vec<String> = trials.iter().map(rate).collect();
    format!("{} {}: {}", first.model, first.head, rates.join(", "))
}

/// The runs that try one rate.
fn at_rate(suite: &Suite, lr: f64) -> Suite {
    let mut suite = Suite { seeds: SEEDS, first_seed: FIRST_SEED, ..suite.clone() };
    suite.variants.iter_mut().for_each(|variant| variant.lr = lr);
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
            assert_eq!(choose(&mut trials), best);
            let chosen: Vec<f64> = trials.iter().filter(|trial| trial.chosen).map(|trial| trial.lr).collect();
            assert_eq!(chosen, best.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_trials_are_told_in_a_line() {
        let mut trials = trials([None, Some(0.95), Some(0.9)]);
        choose(&mut trials);
        assert_eq!(in_words(&trials), "two-conv fc: 0.1 diverged, *0.01 95.00 %, 0.03 90.00 %");
    }
}
