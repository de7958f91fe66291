//! `--tune`: each variant's learning rate, chosen on the validation images before the seeds run.
//!
//! Every variant is trained at every rate of the suite's grid, with the budget of the suite itself and seeds that it
//! does not use. The test images are not read.

use std::path::Path;

use anyhow::Result;

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

/// The suite's variants with the best rates; writes down in `folder` how they were found. What an earlier call has trained
/// there is not trained again.
pub fn tune(suite: &Suite, data: &Data, folder: &Path, info: &SuiteInfo, options: &RunOptions) -> Result<Vec<Variant>> {
    let data = data.without_test().ok_or_else(|| {
        Misuse::new("--tune chooses on validation images, and this suite holds none out: set `validation`")
    })?;
    if suite.lr_grid.is_empty() {
        return Err(Misuse::new("--tune needs rates to try, and this suite names none: set `lr_grid`").into());
    }
    let mut by_rate = Vec::new();
    for &lr in &suite.lr_grid {
        let plan = Plan::new(&at_rate(suite, lr), &data)?;
        let store = Store::new(folder.join("tuning").join(format!("lr-{lr}")));
        let options = RunOptions { extend: true, ..options.clone() };
        train_missing(&plan, &data, &store, info, &options)?;
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
        // Of equally good rates the lowest.
        let best = of_variant.iter_mut().rev().max_by(|a, b| a.val_top1.partial_cmp(&b.val_top1).expect("not NaN"));
        if let Some(best) = best.filter(|trial| trial.val_top1.is_some()) {
            best.chosen = true;
            variant.lr = best.lr;
        }
        trials.extend(of_variant);
    }
    write(&folder.join("tuning.csv"), &render::trials(&trials)?)?;
    Ok(variants)
}

/// The runs that try one rate.
fn at_rate(suite: &Suite, lr: f64) -> Suite {
    let mut suite = Suite { seeds: SEEDS, first_seed: FIRST_SEED, ..suite.clone() };
    suite.variants.iter_mut().for_each(|variant| variant.lr = lr);
    suite
}
