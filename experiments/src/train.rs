//! One run: a configuration and data in, a record out.

use std::time::{Duration, Instant};

use anyhow::Result;
use candle_core::Device;
use datasets::{Images, Order};
use layers::Layer;
use models::Classifier;
use training::{Diverged, Evaluation, Event, Parameters, evaluate, fit};

use crate::{
    bench::INFER_BATCH,
    data::Data,
    machine::{Cpu, Versions},
    measures::{self, Maps},
    plan::RunConfig,
    record::{EpochPoint, Outcome, Record, Status, SuiteInfo, Timings, finite, hex_bits},
};

/// Images per batch where nothing is trained: changes no result beyond the last bits.
const EVALUATION_BATCH: usize = INFER_BATCH;

/// How many points a curve has, if there are so many epochs: a small training set has epochs by the hundred, and looking
/// at the validation images after each would cost more than the training.
const MOST_POINTS: usize = 10;

/// Trains on the current rayon pool; a run of 0 epochs is only described. `on_step` hears of each step's loss. Beside the
/// record comes what there is to look at.
pub fn train(run: &RunConfig, suite: SuiteInfo, on_step: impl Fn(f32)) -> Result<(Record, Option<Maps>)> {
    let device = run.device()?;
    let parameters = Parameters::seeded(run.seed, &device);
    let model = run.build(&parameters)?;
    let features = model.backbone.describe(&run.input())?;
    let head = model.head.describe(&features.output)?;
    let network = model.describe(&run.input())?;

    let mut trained = Trained::default();
    if run.epochs() > 0 {
        trained = fit_to(run, &model, &parameters, &device, on_step)?;
    }
    let (mut outcome, mut hits, mut measures, mut maps) = (None, Vec::new(), Vec::new(), None);
    if run.epochs() > 0 && trained.diverged.is_none() {
        let train = measure(&model, &run.data.train, &run.data, &device)?;
        let test = measure(&model, &run.data.test, &run.data, &device)?;
        hits = test.hits;
        outcome = Some(Outcome {
            top1: test.top1,
            test_loss: finite(test.loss),
            train_top1: train.top1,
            val_top1: trained.curve.last().and_then(|point| point.val_top1),
        });
        measures = run.measure.map_or(Ok(Vec::new()), |measure| measure.run(&model, &run.data, &device))?;
        maps = measures::draw(run.measure, &model, &run.data, &device)?;
    }
    let record = Record {
        suite: SuiteInfo { order: run.order, ..suite },
        config: run.entries(),
        config_hash: run.hash(),
        status: trained.diverged.map_or(Status::Ok, Status::Diverged),
        curve: trained.curve,
        outcome,
        timings: Timings { train_seconds: trained.seconds },
        speed: None,
        param_count: network.params,
        head_param_count: head.params,
        macs: network.macs,
        activations: network.activations().iter().sum(),
        features: features.output.clone(),
        measures,
        receptive_field: features.receptive_field.map(|axes| axes.iter().map(|axis| axis.size).collect()),
        weights_sha256: parameters.sha256()?,
        test_hits: hex_bits(&hits),
        versions: Versions::current(),
        cpu: Cpu::current(),
        threads: rayon::current_num_threads(),
    };
    Ok((record, maps))
}

/// What training left beside the weights.
#[derive(Default)]
struct Trained {
    curve: Vec<EpochPoint>,
    diverged: Option<Diverged>,
    /// Without validation.
    seconds: f64,
}

fn fit_to(
    run: &RunConfig,
    model: &Classifier,
    parameters: &Parameters,
    device: &Device,
    on_step: impl Fn(f32),
) -> Result<Trained> {
    let data = &*run.data;
    let batches = |epoch| {
        let order = Order::Shuffled { seed: run.seed, epoch };
        data.train.batches(run.batch_size, order, &data.standardization, device)
    };
    let (start, mut validating) = (Instant::now(), Duration::ZERO);
    let mut curve = Vec::new();
    let fitted = fit(model, parameters, batches, &run.fit_config(), |event| {
        match event {
            Event::Step { loss, .. } => on_step(loss),
            Event::Epoch(report) if is_point(report.epoch, run.epochs()) => {
                let start = Instant::now();
                let validation = data.validation.as_ref().map(|images| measure(model, images, data, device));
                let validation = validation.transpose()?;
                validating += start.elapsed();
                curve.push(EpochPoint {
                    epoch: report.epoch,
                    train_loss: finite(report.train_loss),
                    val_top1: validation.as_ref().map(|validation| validation.top1),
                    val_loss: validation.and_then(|validation| finite(validation.loss)),
                });
            }
            Event::Epoch(_) => {}
        }
        Ok(())
    })?;
    Ok(Trained { curve, diverged: fitted.diverged, seconds: (start.elapsed() - validating).as_secs_f64() })
}

/// Evenly spread, the last epoch always among them.
fn is_point(epoch: usize, epochs: usize) -> bool {
    let points = MOST_POINTS.min(epochs);
    (epoch + 1) * points / epochs > epoch * points / epochs
}

fn measure(model: &Classifier, images: &Images, data: &Data, device: &Device) -> candle_core::Result<Evaluation> {
    evaluate(model, images.batches(EVALUATION_BATCH, Order::Sequential, &data.standardization, device))
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
