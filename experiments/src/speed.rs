//! Speed, measured apart from training: the variants take turns, so that what slows the machine down slows all alike.

use std::time::Instant;

use anyhow::Result;
use candle_core::{Device, Tensor};
use datasets::{Images, Order};
use layers::{Layer, Mode};
use models::Classifier;
use training::{Optimizer, Parameters};

use crate::{
    data::Data,
    plan::RunConfig,
    record::{Measured, Speed},
};

/// After one more to warm up.
const ROUNDS: usize = 7;
const TRAIN_BATCH: usize = 64;
const TRAIN_STEPS: usize = 2;
const INFER_BATCH: usize = 256;
const LATENCIES: usize = 10;

/// On the current rayon pool; one result per variant, in order.
pub fn measure(variants: &[&RunConfig], data: &Data) -> Result<Vec<Speed>> {
    let mut subjects = variants.iter().map(|run| Subject::new(run, data)).collect::<Result<Vec<_>>>()?;
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

/// A variant with all it needs to be timed.
struct Subject {
    model: Classifier,
    optimizer: Optimizer,
    device: Device,
    train: (Tensor, Tensor),
    infer: Tensor,
    single: Tensor,
    step: u64,
}

impl Subject {
    fn new(run: &RunConfig, data: &Data) -> Result<Self> {
        let device = run.device()?;
        let parameters = Parameters::seeded(run.seed, &device);
        let model = run.build(&parameters)?;
        let optimizer = Optimizer::new(&run.optimizer, &parameters)?;
        let train = batch(&data.train, TRAIN_BATCH, data, &device)?;
        let (infer, _) = batch(&data.train, INFER_BATCH, data, &device)?;
        let (single, _) = batch(&data.train, 1, data, &device)?;
        Ok(Self { model, optimizer, device, train, infer, single, step: 0 })
    }

    /// Images per second in training and in inference, and the median time of one image in microseconds.
    fn burst(&mut self) -> Result<[f64; 3]> {
        let (images, labels) = &self.train;
        let start = Instant::now();
        for _ in 0..TRAIN_STEPS {
            let logits = self.model.forward(images, Mode::Train { seed: 0, step: self.step })?;
            let loss = ops::cross_entropy(&logits, labels)?;
            // So small a rate that the weights stay what they are: a network that diverges would be timed on other numbers.
            self.optimizer.step(&loss.backward()?, 1e-12)?;
            self.step += 1;
        }
        self.device.synchronize()?;
        let train = (TRAIN_STEPS * TRAIN_BATCH) as f64 / start.elapsed().as_secs_f64();

        let infer = INFER_BATCH as f64 / self.infer(&self.infer)?;
        let latencies = (0..LATENCIES).map(|_| Ok(self.infer(&self.single)? * 1e6)).collect::<Result<Vec<f64>>>()?;
        Ok([train, infer, median_and_spread(latencies).median])
    }

    /// Seconds.
    fn infer(&self, images: &Tensor) -> Result<f64> {
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
fn median_and_spread(mut values: Vec<f64>) -> Measured {
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
