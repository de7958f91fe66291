//! The training of one run.

use std::time::{Duration, Instant};

use anyhow::Result;
use candle_core::Device;
use datasets::Order;
use layers::Layer;
use models::Classifier;
use records::{EpochPoint, Outcome, Record, Status, SuiteInfo, Timings, finite, hex_bits};
use training::{Diverged, Event, Loss, Parameters, fit};

use crate::{
    machine,
    measures::{Maps, TrainedNetwork},
    plan::Run,
};

/// The largest number of points on a curve. A small training set has hundreds of epochs, and evaluating the validation
/// images after each would cost more than the training.
const MAX_POINTS: usize = 10;

/// Trains on the current rayon pool and returns the record, and a picture if the suite's measure draws one. A run of 0
/// epochs is only described. `on_step` is called with the loss of each step.
pub fn train(run: &Run, suite: SuiteInfo, on_step: impl Fn(f32)) -> Result<(Record, Option<Maps>)> {
    let device = run.device.open()?;
    let parameters = Parameters::seeded(run.seed, &device);
    let model = run.build(&parameters)?;
    let features = model.backbone.describe(&run.input())?;
    let head = model.head.describe(&features.output)?;
    let description = model.describe(&run.input())?;

    let mut trained = Trained::default();
    if run.epochs() > 0 {
        trained = fit_network(run, &model, &parameters, &device, on_step)?;
    }
    let (mut outcome, mut hits, mut measures, mut maps) = (None, Vec::new(), Vec::new(), None);
    if run.epochs() > 0 && trained.diverged.is_none() {
        let network = TrainedNetwork { model: &model, standardization: &run.data.standardization, device: &device };
        let train = network.evaluate(&run.data.train)?;
        let test = network.evaluate(&run.data.test)?;
        hits = test.hits;
        outcome = Some(Outcome {
            top1: test.top1,
            test_loss: finite(test.loss),
            train_top1: train.top1,
            val_top1: trained.curve.last().and_then(|point| point.val_top1),
        });
        if let Some(measure) = run.measure {
            measures = (measure.run)(&network, &run.data)?;
            maps = measure.draw.map(|draw| draw(&network, &run.data)).transpose()?;
        }
    }
    let config = run.config();
    let record = Record {
        suite: SuiteInfo { order: run.order, ..suite },
        config_hash: config.hash(),
        config,
        status: trained
            .diverged
            .map_or(Status::Ok, |at| Status::Diverged(records::Diverged { epoch: at.epoch, step: at.step })),
        curve: trained.curve,
        outcome,
        timings: Timings { train_seconds: trained.seconds },
        speed: None,
        param_count: description.params,
        head_param_count: head.params,
        macs: description.macs,
        activations: description.activations().iter().sum(),
        features: features.output.clone(),
        measures,
        receptive_field: features.receptive_field.map(|axes| axes.iter().map(|axis| axis.size).collect()),
        weights_sha256: parameters.sha256()?,
        test_hits: hex_bits(&hits),
        versions: machine::versions(),
        cpu: machine::cpu(),
        threads: rayon::current_num_threads(),
    };
    Ok((record, maps))
}

/// The outcome of training, apart from the weights.
#[derive(Default)]
struct Trained {
    curve: Vec<EpochPoint>,
    diverged: Option<Diverged>,
    /// The duration without validation.
    seconds: f64,
}

fn fit_network(
    run: &Run,
    model: &Classifier,
    parameters: &Parameters,
    device: &Device,
    on_step: impl Fn(f32),
) -> Result<Trained> {
    let data = &*run.data;
    let network = TrainedNetwork { model, standardization: &data.standardization, device };
    let batches = |epoch| {
        let order = Order::Shuffled { seed: run.seed, epoch };
        data.train.batches(run.batch_size, order, &data.standardization, device)
    };
    let (start, mut validating) = (Instant::now(), Duration::ZERO);
    let mut curve = Vec::new();
    let fitted = fit(model, parameters, batches, &Loss::default(), &run.fit_config(), |event| {
        match event {
            Event::Step { loss, .. } => on_step(loss),
            Event::Epoch(report) if is_point(report.epoch, run.epochs()) => {
                let start = Instant::now();
                let validation = data.validation.as_ref().map(|images| network.evaluate(images)).transpose()?;
                validating += start.elapsed();
                curve.push(EpochPoint {
                    epoch: report.epoch,
                    train_loss: finite(report.train_loss),
                    val_top1: validation.as_ref().map(|validation| validation.top1),
                    val_loss: validation.and_then(|validation| finite(validation.loss)),
                });
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(Trained { curve, diverged: fitted.diverged, seconds: (start.elapsed() - validating).as_secs_f64() })
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
