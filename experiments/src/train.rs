//! The training of one run.

use std::path::PathBuf;

use anyhow::{Context, Result};
use records::{Confusion, EpochPoint, Outcome, Record, Status, SuiteInfo, Timings, finite, hex_bits, set_aside};
use serde_json::json;
use training::{Checkpoints, EpochReport, Event, FitOutcome, Parameters, fit_resumable};

use crate::{
    events::Events,
    files::Pictures,
    machine,
    progress::RunProgress,
    run::Run,
    task::{Network, Part},
};

/// The largest number of points on a curve. A small training set has hundreds of epochs, and evaluating the validation
/// images after each would cost more than the training.
const MAX_POINTS: usize = 10;

/// Everything besides the options of training that decides the bits of a run's weights. A checkpoint that was saved under
/// other conditions is not used.
pub fn conditions(run: &Run) -> Result<String> {
    Ok(serde_json::to_string(&(run.config(), machine::versions(), ops::instruction_set()))?)
}

/// The files that a run writes besides its record; `None` for those that are not asked for.
#[derive(Clone, Debug, Default)]
pub struct RunFiles {
    /// The trained network.
    pub weights: Option<PathBuf>,
    /// The events for TensorBoard, which shows pictures as well.
    pub events: Option<PathBuf>,
    /// True if pictures are kept.
    pub pictures: bool,
}

/// Trains on the current rayon pool and returns the record and pictures; `None` if the run was stopped. A run of 0 epochs is
/// only described.
pub fn train(
    run: &Run,
    suite: SuiteInfo,
    checkpoints: &Checkpoints,
    files: RunFiles,
    progress: &RunProgress,
) -> Result<Option<(Record, Pictures)>> {
    let parameters = Parameters::seeded(run.seed, &run.device.open()?);
    let task = run.task.of_seed(run.seed)?.unwrap_or_else(|| run.task.clone());
    let network = task.build(&parameters)?;
    let anatomy = network.anatomy()?;
    let (config, epochs) = (run.config(), run.epochs(&*task));

    let draws = files.pictures || files.events.is_some();
    let (mut fitted, mut events) = (None, Events::new(files.events));
    if epochs > 0 {
        let outcome = fit_network(run, epochs, &*network, &parameters, checkpoints, &mut events, progress)?;
        if outcome.stopped.is_some() {
            return Ok(None);
        }
        fitted = Some(outcome);
    }
    let curve: Vec<EpochPoint> = fitted.iter().flat_map(|fitted| curve(&fitted.epochs, epochs)).collect();
    let diverged = fitted.as_ref().and_then(|fitted| fitted.diverged);
    let (mut outcome, mut hits, mut confusion, mut measures) = (None, Vec::new(), None, Vec::new());
    let mut pictures = Pictures::default();
    if fitted.is_some() && diverged.is_none() {
        let evaluate = |part| network.evaluate(part)?.context("there are no samples to evaluate on");
        let (train, test) = (evaluate(Part::Training)?, evaluate(Part::Test)?);
        if let Some(path) = &files.weights {
            let training = json!({ "config_hash": config.hash(), "config": config, "top1": test.top1 });
            network.save(&parameters, path, training)?;
        }
        measures = network.measure(&test, run.seed)?;
        if draws {
            pictures = network.draw(&test)?;
            events.pictures(epochs - 1, &pictures)?;
        }
        outcome = Some(Outcome {
            top1: test.top1,
            test_loss: finite(test.loss),
            train_top1: train.top1,
            val_top1: curve.last().and_then(|point| point.val_top1),
        });
        let classified = task.test_labels().into_iter().zip(test.predictions);
        confusion = Confusion::new(&task.class_names(), classified);
        hits = test.hits;
    }
    let record = Record {
        suite: SuiteInfo { order: run.order, ..suite },
        config_hash: config.hash(),
        config,
        status: diverged
            .map_or(Status::Ok, |at| Status::Diverged(records::Diverged { epoch: at.epoch, step: at.step })),
        curve,
        outcome,
        timings: Timings { train_seconds: fitted.map_or(0., |fitted| fitted.seconds) },
        speed: None,
        param_count: anatomy.whole.params,
        head_param_count: anatomy.head_params,
        macs: anatomy.whole.macs,
        activations: anatomy.whole.activations().iter().sum(),
        features: anatomy.features,
        measures,
        receptive_field: anatomy.receptive_field,
        weights_sha256: parameters.sha256()?,
        test_hits: hex_bits(&hits),
        confusion,
        versions: machine::versions(),
        cpu: machine::cpu(),
        threads: rayon::current_num_threads(),
    };
    Ok(Some((record, pictures)))
}

fn fit_network(
    run: &Run,
    epochs: usize,
    network: &dyn Network,
    parameters: &Parameters,
    checkpoints: &Checkpoints,
    events: &mut Events,
    progress: &RunProgress,
) -> Result<FitOutcome> {
    let config = run.fit_config();
    if let Err(error) = checkpoints.check(parameters, &config) {
        let aside = set_aside(checkpoints.path(), error.reason.to_string())?;
        progress.warn(format_args!("{run}: {error}; it is now {}, and the run starts over", aside.now.display()));
    }
    let batches = |epoch| network.training_batches(run.batch_size, [run.seed, epoch as u64]);
    let fitted = fit_resumable(network.model(), parameters, batches, &network.loss(), &config, checkpoints, |event| {
        match event {
            Event::Resumed { epoch, step, .. } => {
                progress.resume(step);
                events.resume(epoch)?;
            }
            Event::Step { loss, .. } => progress.step(loss),
            Event::Epoch(report) => {
                if is_point(report.epoch, epochs) {
                    // An error of candle stays one, since a file that cannot be read ends the sweep.
                    let as_candle = |error: anyhow::Error| error.downcast().unwrap_or_else(candle_core::Error::wrap);
                    report.validation = network.validate().map_err(as_candle)?;
                }
                events.epoch(report)?;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(fitted)
}

/// The points of the curve, of the epochs of a run that has `epochs`.
fn curve(reports: &[EpochReport], epochs: usize) -> impl Iterator<Item = EpochPoint> {
    reports.iter().filter(move |report| is_point(report.epoch, epochs)).map(|report| EpochPoint {
        epoch: report.epoch,
        train_loss: finite(report.train_loss),
        val_top1: report.validation.map(|validation| validation.top1),
        val_loss: report.validation.and_then(|validation| finite(validation.loss)),
        val_auroc: report.validation.and_then(|validation| validation.auroc),
    })
}

/// Returns whether the curve has a point after this epoch. Points are evenly spaced and include the last epoch.
fn is_point(epoch: usize, epochs: usize) -> bool {
    let points = MAX_POINTS.min(epochs);
    (epoch + 1) * points / epochs > epoch * points / epochs
}

#[cfg(test)]
mod tests {
    use super::is_point;

    #[test]
    fn a_curve_has_every_epoch_of_a_short_run_and_ten_of_a_long_one_the_last_included() {
        let points = |epochs: usize| (0..epochs).filter(|&epoch| is_point(epoch, epochs)).collect::<Vec<_>>();
        assert_eq!(points(4), [0, 1, 2, 3]);
        assert_eq!(points(30), [2, 5, 8, 11, 14, 17, 20, 23, 26, 29]);
        for epochs in 1..200 {
            assert_eq!((points(epochs).len(), points(epochs).last()), (epochs.min(10), Some(&(epochs - 1))));
        }
    }
}
