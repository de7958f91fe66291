//! Speed of whole networks, beside that of other programs: all are asked in turn, round after round, so that what slows
//! the machine down slows all alike.

mod here;
mod measurement;
mod peer;
mod stock;

pub use here::{peak_memory, print_peak_memory};
pub use measurement::{Measurement, Speed, measure};
pub use peer::{Peer, serve};
pub use stock::Stock;

use anyhow::Result;
use candle_core::{Device, Tensor};
use models::{ModelConfig, ModelName};
use serde::{Deserialize, Serialize};

/// How many images are timed at once.
pub const TRAIN_BATCH: usize = 64;
pub const INFER_BATCH: usize = 256;
pub const LATENCY_BATCH: usize = 1;

/// How long a contestant runs at a time, in seconds.
const MOMENT: f64 = 0.4;

/// What is asked of a contestant: to run a network again and again for a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub model: String,
    pub head: String,
    pub input: [usize; 3],
    pub classes: usize,
    pub what: What,
    pub batch: usize,
    pub threads: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Train,
    Infer,
}

/// A program that runs networks.
pub trait Contestant {
    /// With its version.
    fn name(&self) -> String;

    /// Images per second; none if it can't do this.
    fn samples_per_sec(&mut self, request: &Request) -> Result<Option<f64>>;
}

impl Request {
    pub fn new(model: &ModelName, config: &ModelConfig, what: What, batch: usize, threads: usize) -> Self {
        let (model, head) = (model.to_string(), config.head.to_string());
        Self { model, head, input: config.input, classes: config.classes, what, batch, threads }
    }

    /// Noise to run on; every second image of the first class, the others of the second.
    fn images(&self) -> candle_core::Result<(Tensor, Tensor)> {
        let [channels, height, width] = self.input;
        let images = Tensor::randn(0f32, 1., (self.batch, channels, height, width), &Device::Cpu)?;
        let labels: Vec<u32> = (0..self.batch as u32).map(|i| i % 2).collect();
        Ok((images, Tensor::from_vec(labels, self.batch, &Device::Cpu)?))
    }
}

/// Runs `step`, which gives the seconds it took, for a moment; the times in ascending order.
fn for_a_moment(mut step: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    let (mut durations, mut sum) = (Vec::new(), 0.);
    while sum < MOMENT {
        let seconds = step()?;
        durations.push(seconds);
        sum += seconds;
    }
    durations.sort_unstable_by(f64::total_cmp);
    Ok(durations)
}
