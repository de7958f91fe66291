//! The speed of a sweep's networks, measured apart from training. The networks take turns, so that whatever slows the
//! machine down slows all of them.

use anyhow::Result;
use candle_core::{Device, Tensor};
use datasets::{Images, Order};
use records::{Measured, Speed};

use crate::{
    data::Data,
    plan::Run,
    timing::{INFER_BATCH, TRAIN_BATCH, TimedNetwork},
};

/// The number of rounds that count; one more precedes them to warm up.
const ROUNDS: usize = 7;
/// The number of training steps per round.
const TRAIN_STEPS: usize = 2;
/// The number of single images per round.
const LATENCIES: usize = 10;

/// Times the network of each run on the current rayon pool, in the order of the runs.
pub fn time_networks(runs: &[&Run]) -> Result<Vec<Speed>> {
    let mut networks = runs.iter().map(|run| RunNetwork::new(run)).collect::<Result<Vec<_>>>()?;
    let mut rounds: Vec<Vec<[f64; 3]>> = vec![Vec::new(); networks.len()];
    for round in 0..=ROUNDS {
        for (network, rounds) in networks.iter_mut().zip(&mut rounds) {
            let times = network.time()?;
            if round > 0 {
                rounds.push(times);
            }
        }
    }
    let speed = |rounds: &Vec<[f64; 3]>| {
        let [train_samples_per_sec, infer_samples_per_sec, latency_us] =
            [0, 1, 2].map(|index| Measured::of(rounds.iter().map(|times| times[index]).collect()));
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

/// A run's network with the images that it is timed on.
struct RunNetwork {
    network: TimedNetwork,
    train: (Tensor, Tensor),
    infer: Tensor,
    single: Tensor,
}

impl RunNetwork {
    fn new(run: &Run) -> Result<Self> {
        let (data, device) = (&*run.data, run.device.open()?);
        let network = TimedNetwork::new(&device, &run.optimizer, |parameters| run.build(parameters))?;
        let train = batch(&data.train, TRAIN_BATCH, data, &device)?;
        let (infer, _) = batch(&data.train, INFER_BATCH, data, &device)?;
        let (single, _) = batch(&data.train, 1, data, &device)?;
        Ok(Self { network, train, infer, single })
    }

    /// Measures one round: images per second in training and in inference, and the median latency of one image in
    /// microseconds.
    fn time(&mut self) -> Result<[f64; 3]> {
        let (images, labels) = &self.train;
        let seconds = (0..TRAIN_STEPS).map(|_| self.network.train(images, labels)).sum::<Result<f64>>()?;
        let train = (TRAIN_STEPS * TRAIN_BATCH) as f64 / seconds;
        let mut inference = self.network.inference(&self.infer)?;
        let infer = INFER_BATCH as f64 / inference.run(&self.infer)?;
        let latencies = (0..LATENCIES).map(|_| Ok(inference.run(&self.single)? * 1e6));
        Ok([train, infer, Measured::of(latencies.collect::<Result<_>>()?).median])
    }
}

/// The first `size` images; if there are fewer, they are repeated.
fn batch(images: &Images, size: usize, data: &Data, device: &Device) -> Result<(Tensor, Tensor)> {
    let indices: Vec<usize> = (0..size).map(|i| i % images.len()).collect();
    let images = images.subset(&indices);
    let mut batches = images.batches(size, Order::Sequential, &data.standardization, device);
    batches.next().ok_or_else(|| anyhow::anyhow!("there are no images to measure speed with"))?.map_err(Into::into)
}
