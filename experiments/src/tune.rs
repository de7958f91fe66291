//! The choice of learning rates, `--tune`.
//!
//! Every variant on all its data is trained at every rate of the suite's grid, for as long as the suite trains, with seeds
//! that the suite does not use. The rate with the best mean validation accuracy is chosen. The test images are not read.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use records::{Rates, RunConfig, Store, SuiteInfo, Trial, create_folder, file_name, write_file};

use crate::{
    misuse::Misuse,
    output::note,
    plan::Plan,
    run::Run,
    suite::LoadedSuite,
    sweep::{Existing, Sweep, SweepOptions},
};

/// The first seed of the trials, beyond those of any suite.
const FIRST_SEED: u64 = 1_000_000;

/// Chooses the learning rates of the suite's variants and writes all trials into `folder/tuning.csv`, before those of earlier
/// calls. Finished trials of an earlier call are not trained again.
///
/// # Errors
/// [`Misuse`] for a suite without validation images, without a grid, or without learning rates to choose.
pub fn tune(suite: &LoadedSuite, folder: &Path, info: &SuiteInfo, options: &SweepOptions) -> Result<Rates> {
    check(suite)?;
    let Some(suite) = suite.without_test() else {
        return Err(
            Misuse::new("--tune needs validation images, but the suite holds none out; set `validation`").into()
        );
    };
    let path = folder.join("tuning.csv");
    let earlier = earlier_trials(&path)?;
    create_folder(folder)?;
    let trials_folder = folder.join("tuning");
    let existing = if options.existing == Existing::Discard { Existing::Discard } else { Existing::Extend };
    let options = SweepOptions { existing, weights: false, tensorboard: false, ..options.clone() };
    let mut plans = Vec::new();
    for &lr in suite.lr_grid() {
        let plan = Plan::new(&suite.at_rate(lr, FIRST_SEED))?;
        let store = Store::new(trials_folder.join(file_name(&format!("lr-{lr}"))));
        let sweep = Sweep::begin(&plan, &store, info, &options)?;
        sweep.train()?;
        sweep.complete()?;
        drop(sweep);
        plans.push((lr, plan, store));
    }
    let mut trials = Vec::new();
    for variant in plans.first().iter().flat_map(|(_, plan, _)| plan.variants()) {
        let mut of_variant = Vec::new();
        for (lr, plan, store) in &plans {
            let runs = plan.runs.iter().filter(|run| run.order == variant.order);
            let accuracies = runs.map(|run| store.find(&run.config())?.outcome?.val_top1).collect::<Option<Vec<f64>>>();
            of_variant.push(trial(&suite, variant, *lr, accuracies));
        }
        Trial::choose(&mut of_variant);
        if !options.quiet {
            note(&line(&of_variant));
        }
        trials.extend(of_variant);
    }
    let rates = Rates::new(&trials);
    trials.extend(not_repeated(earlier, &trials));
    write_file(&path, report::tuning_csv(&trials)?)?;
    Ok(rates)
}

/// The trials of earlier calls.
fn earlier_trials(path: &PathBuf) -> Result<Vec<Trial>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| path.display().to_string())?,
    };
    match Trial::read_all(&text) {
        Ok(trials) => Ok(trials),
        Err(_) => bail!("{} is not a table of trials; move it away, as `--tune` would replace it", path.display()),
    }
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
