use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use candle_core::Tensor;
use records::{Measured, Round, Rounds, Speed};

use crate::{
    batch_sizes::{INFER_BATCH, LATENCY_BATCH, TRAIN_BATCH},
    network::Network,
};

/// The number of rounds that count; one more precedes them to warm up.
const ROUNDS: usize = 7;
/// The number of training steps per round.
const TRAIN_STEPS: usize = 2;
/// The number of single samples per round.
const LATENCIES: usize = 10;

/// A network with the batches that it is timed on.
pub struct TimedNetwork {
    network: Network,
    train: (Vec<Tensor>, Tensor),
    infer: Vec<Tensor>,
    single: Vec<Tensor>,
}

impl TimedNetwork {
    /// Draws the batches with `batch`, which returns the inputs and the targets of as many samples as it is asked for.
    ///
    /// # Errors
    /// The first error of `batch`.
    pub fn new(network: Network, batch: impl Fn(usize) -> Result<(Vec<Tensor>, Tensor)>) -> Result<Self> {
        let [train, infer, single] = [TRAIN_BATCH, INFER_BATCH, LATENCY_BATCH].map(batch);
        Ok(Self { network, train: train?, infer: infer?.0, single: single?.0 })
    }

    /// Measures one round, with the median latency of several single samples.
    fn time(&mut self) -> Result<Round> {
        let (inputs, targets) = &self.train;
        let seconds = (0..TRAIN_STEPS).map(|_| self.network.train(inputs, targets)).sum::<Result<f64>>()?;
        let mut inference = self.network.inference(&self.infer)?;
        let infer_seconds = inference.run(&self.infer)?;
        let latencies = (0..LATENCIES).map(|_| Ok(inference.run(&self.single)? * 1e6));
        Ok(Round {
            train_samples_per_sec: (TRAIN_STEPS * TRAIN_BATCH) as f64 / seconds,
            infer_samples_per_sec: INFER_BATCH as f64 / infer_seconds,
            latency_us: Measured::of(latencies.collect::<Result<_>>()?).median,
        })
    }
}

/// Times the networks on the current rayon pool, in rounds in which each of them has one turn. The result has their order.
///
/// # Errors
/// The first error of a network.
pub fn time_in_turn(networks: &mut [TimedNetwork]) -> Result<Vec<Speed>> {
    let began_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); networks.len()];
    for round in 0..=ROUNDS {
        for (network, rounds) in networks.iter_mut().zip(&mut rounds) {
            let times = network.time()?;
            if round > 0 {
                rounds.push(times);
            }
        }
    }
    let speed = |each: Vec<Round>| {
        let over_rounds = |of: fn(&Round) -> f64| Measured::of(each.iter().map(of).collect());
        Speed {
            train_samples_per_sec: over_rounds(|round| round.train_samples_per_sec),
            train_batch_size: TRAIN_BATCH,
            infer_samples_per_sec: over_rounds(|round| round.infer_samples_per_sec),
            infer_batch_size: INFER_BATCH,
            latency_us: over_rounds(|round| round.latency_us),
            threads: rayon::current_num_threads(),
            rounds: Some(Rounds { began_unix_ms, each }),
        }
    };
    Ok(rounds.into_iter().map(speed).collect())
}
