use anyhow::Result;
use candle_core::Tensor;
use records::{Measured, Speed};
use training::Batch;

use crate::{
    batch_sizes::{INFER_BATCH, LATENCY_BATCH, TRAIN_BATCH},
    network::Network,
};

/// The number of rounds that count; one more precedes them to warm up.
const ROUNDS: usize = 7;
/// The number of training steps per round.
const TRAIN_STEPS: usize = 2;
/// The number of single images per round.
const LATENCIES: usize = 10;

/// A network with the samples that it is timed on.
pub struct TimedNetwork {
    network: Network,
    train: Batch,
    infer: Vec<Tensor>,
    single: Vec<Tensor>,
}

impl TimedNetwork {
    /// Draws the samples with `batch`, which returns as many as it is asked for.
    ///
    /// # Errors
    /// The first error of `batch`.
    pub fn new(network: Network, batch: impl Fn(usize) -> Result<Batch>) -> Result<Self> {
        let [train, infer, single] = [TRAIN_BATCH, INFER_BATCH, LATENCY_BATCH].map(batch);
        Ok(Self { network, train: train?, infer: infer?.inputs, single: single?.inputs })
    }

    /// Measures one round: images per second in training and in inference, and the median latency of one image in
    /// microseconds.
    fn time(&mut self) -> Result<[f64; 3]> {
        let seconds = (0..TRAIN_STEPS).map(|_| self.network.train(&self.train)).sum::<Result<f64>>()?;
        let train = (TRAIN_STEPS * TRAIN_BATCH) as f64 / seconds;
        let mut inference = self.network.inference(&self.infer)?;
        let infer = INFER_BATCH as f64 / inference.run(&self.infer)?;
        let latencies = (0..LATENCIES).map(|_| Ok(inference.run(&self.single)? * 1e6));
        Ok([train, infer, Measured::of(latencies.collect::<Result<_>>()?).median])
    }
}

/// Times the networks on the current rayon pool, in rounds in which each of them has one turn. The result has their order.
///
/// # Errors
/// The first error of a network.
pub fn time_in_turn(networks: &mut [TimedNetwork]) -> Result<Vec<Speed>> {
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
