//! Speed, measured apart from training: the variants take turns, so that what slows the machine down slows all alike.

use std::time::Instant;

use anyhow::Result;
use candle_core::{Device, Tensor};
use datasets::{Images, Order};
use layers::{Layer, Mode};
use models::Classifier;
use training::{Optimizer, OptimizerConfig, Parameters};

use crate::{
    bench::{INFER_BATCH, TRAIN_BATCH},
    data::Data,
    plan::RunConfig,
    record::{Measured, Speed},
};

/// After one more to warm up.
const ROUNDS: usize = 7;
const TRAIN_STEPS: usize = 2;
const LATENCIES: usize = 10;

/// On the current rayon pool; one result per variant, in order.
pub fn measure(variants: &[&RunConfig]) -> Result<Vec<Speed>> {
    let mut subjects = variants.iter().map(|run| Subject::new(run)).collect::<Result<Vec<_>>>()?;
    let mut rounds: Vec<Vec<[f64; 3]>> = vec![Vec::new(); subjects.len()];
    for round in 0..=ROUNDS {
        for (subject, rounds) in subjects.iter_mut().zip(&mut rounds) {
            let burst = subject.burst()?;
            if round > 0 {
                rounds.push(burst);
            }
        }
    }
    let speed = |rounds: &Vec<[f64; 3]>| {
        let [train_samples_per_sec, infer_samples_per_sec, latency_us] =
            [0, 1, 2].map(|what| median_and_spread(rounds.iter().map(|burst| burst[what]).collect()));
        Speed {
            train_samples_per_sec,
            train_batch_size: TRAIN_BATCH,
            infer_samples_per_sec,
            infer_batch_size: INFER_BATCH,
            latency_us,
            threads: rayon::current_num_threads(),
        }
    };
    Ok(rounds.iter().map(speed).collect())
}

/// A variant with the images it is timed on.
struct Subject {
    network: Timed,
    train: (Tensor, Tensor),
    infer: Tensor,
    single: Tensor,
}

impl Subject {
    fn new(run: &RunConfig) -> Result<Self> {
        let (data, device) = (&*run.data, run.device()?);
        let network = Timed::new(&device, &run.optimizer, |parameters| run.build(parameters))?;
        let train = batch(&data.train, TRAIN_BATCH, data, &device)?;
        let (infer, _) = batch(&data.train, INFER_BATCH, data, &device)?;
        let (single, _) = batch(&data.train, 1, data, &device)?;
        Ok(Self { network, train, infer, single })
    }

    /// Images per second in training and in inference, and the median time of one image in microseconds.
    fn burst(&mut self) -> Result<[f64; 3]> {
        let (images, labels) = &self.train;
        let seconds = (0..TRAIN_STEPS).map(|_| self.network.train(images, labels)).sum::<Result<f64>>()?;
        let train = (TRAIN_STEPS * TRAIN_BATCH) as f64 / seconds;
        let infer = INFER_BATCH as f64 / self.network.infer(&self.infer)?;
        let latencies = (0..LATENCIES).map(|_| Ok(self.network.infer(&self.single)? * 1e6));
        Ok([train, infer, median_and_spread(latencies.collect::<Result<_>>()?).median])
    }
}

/// A network that is timed in training and in inference.
pub struct Timed {
    model: Classifier,
    optimizer: Optimizer,
    device: Device,
    step: u64,
}

impl Timed {
    pub fn new(
        device: &Device,
        optimizer: &OptimizerConfig,
        build: impl FnOnce(&Parameters) -> candle_core::Result<Classifier>,
    ) -> Result<Self> {
        let parameters = Parameters::seeded(0, device);
        let model = build(&parameters)?;
        let optimizer = Optimizer::new(optimizer, &parameters)?;
        Ok(Self { model, optimizer, device: device.clone(), step: 0 })
    }

    /// Seconds of one training step.
    pub fn train(&mut self, images: &Tensor, labels: &Tensor) -> Result<f64> {
        let start = Instant::now();
        let logits = self.model.forward(images, Mode::Train { seed: 0, step: self.step })?;
        let loss = ops::cross_entropy(&logits, labels)?;
        // So small a rate that the weights stay what they are: a network that diverges would be timed on other numbers.
        self.optimizer.step(&loss.backward()?, 1e-12)?;
        self.device.synchronize()?;
        self.step += 1;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Seconds of one forward pass.
    pub fn infer(&self, images: &Tensor) -> Result<f64> {
        let start = Instant::now();
        self.model.forward(images, Mode::Inference)?;
        self.device.synchronize()?;
        Ok(start.elapsed().as_secs_f64())
    }
}

/// The first `size` images, from the start again where there are not so many.
fn batch(images: &Images, size: usize, data: &Data, device: &Device) -> Result<(Tensor, Tensor)> {
    let indices: Vec<usize> = (0..size).map(|i| i % images.len()).collect();
    let images = images.subset(&indices);
    let mut batches = images.batches(size, Order::Sequential, &data.standardization, device);
    batches.next().ok_or_else(|| anyhow::anyhow!("no images to measure speed with"))?.map_err(Into::into)
}

/// Quantiles are interpolated between neighbours.
pub fn median_and_spread(mut values: Vec<f64>) -> Measured {
    values.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| {
        let position = share * (values.len() - 1) as f64;
        let (below, above) = (values[position.floor() as usize], values[position.ceil() as usize]);
        below + (above - below) * position.fract()
    };
    let median = quantile(0.5);
    Measured { median, spread: (quantile(0.75) - quantile(0.25)) / median }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_spread_are_those_of_numpy() {
        // numpy.percentile([1, 2, 4, 8], [25, 50, 75]) = [1.75, 3, 5]
        assert_eq!(median_and_spread(vec![8., 1., 4., 2.]), Measured { median: 3., spread: 3.25 / 3. });
        assert_eq!(median_and_spread(vec![5.]), Measured { median: 5., spread: 0. });
    }
}
