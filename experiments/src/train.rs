//! One run: a configuration and data in, a record out.

use std::time::{Duration, Instant};

use anyhow::Result;
use candle_core::Device;
use datasets::{Images, Order};
use layers::Layer;
use training::{Evaluation, Event, Parameters, evaluate, fit};

use crate::{
    bench::INFER_BATCH,
    data::Data,
    machine::{Cpu, Versions},
    plan::RunConfig,
    record::{EpochPoint, Outcome, Record, Status, SuiteInfo, Timings, finite, hex_bits},
};

/// Images per batch where nothing is trained: changes no result beyond the last bits.
const EVALUATION_BATCH: usize = INFER_BATCH;

/// Trains on the current rayon pool; `on_step` hears of each step's loss.
pub fn train(run: &RunConfig, data: &Data, suite: SuiteInfo, on_step: impl Fn(f32)) -> Result<Record> {
    let device = run.device()?;
    let parameters = Parameters::seeded(run.seed, &device);
    let model = run.build(&parameters)?;
    let features = model.backbone.describe(&run.input)?;
    let head = model.head.describe(&features.output)?;
    let network = model.describe(&run.input)?;

    let batches = |epoch| {
        let order = Order::Shuffled { seed: run.seed, epoch };
        data.train.batches(run.batch_size, order, &data.standardization, &device)
    };
    let (start, mut validating) = (Instant::now(), Duration::ZERO);
    let mut curve = Vec::new();
    let fitted = fit(&model, &parameters, batches, &run.fit_config(), |event| {
        match event {
            Event::Step { loss, .. } => on_step(loss),
            Event::Epoch(report) => {
                let start = Instant::now();
                let validation =
                    data.validation.as_ref().map(|images| measure(&model, images, data, &device)).transpose()?;
                validating += start.elapsed();
                curve.push(EpochPoint {
                    epoch: report.epoch,
                    train_loss: finite(report.train_loss),
                    val_top1: validation.as_ref().map(|validation| validation.top1),
                    val_loss: validation.and_then(|validation| finite(validation.loss)),
                });
            }
        }
        Ok(())
    })?;
    let train_seconds = (start.elapsed() - validating).as_secs_f64();

    let (mut outcome, mut hits) = (None, Vec::new());
    if fitted.diverged.is_none() {
        let train = measure(&model, &data.train, data, &device)?;
        let test = measure(&model, &data.test, data, &device)?;
        hits = test.hits;
        outcome = Some(Outcome {
            top1: test.top1,
            test_loss: finite(test.loss),
            train_top1: train.top1,
            val_top1: curve.last().and_then(|point| point.val_top1),
        });
    }
    Ok(Record {
        suite: SuiteInfo { order: run.order, ..suite },
        config: run.entries(),
        config_hash: run.hash(),
        status: fitted.diverged.map_or(Status::Ok, Status::Diverged),
        curve,
        outcome,
        timings: Timings { train_seconds },
        speed: None,
        param_count: network.params,
        head_param_count: head.params,
        macs: network.macs,
        activations: network.activations().iter().sum(),
        features: features.output.clone(),
        measures: Vec::new(),
        receptive_field: features.receptive_field.map(|axes| axes.iter().map(|axis| axis.size).collect()),
        weights_sha256: parameters.sha256()?,
        test_hits: hex_bits(&hits),
        versions: Versions::current(),
        cpu: Cpu::current(),
        threads: rayon::current_num_threads(),
    })
}

fn measure(model: &dyn Layer, images: &Images, data: &Data, device: &Device) -> candle_core::Result<Evaluation> {
    evaluate(model, images.batches(EVALUATION_BATCH, Order::Sequential, &data.standardization, device))
}
