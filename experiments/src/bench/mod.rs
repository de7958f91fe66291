//! Speed of whole networks, beside that of other programs: all are asked in turn, round after round, so that what slows
//! the machine down slows all alike.

mod here;
mod peer;
mod stock;

pub use here::{Here, memory_of};
pub use peer::Peer;
pub use stock::Stock;

use anyhow::Result;
use candle_core::{Device, Tensor};
use models::{ModelConfig, ModelName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::output::print;

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

/// What is measured of each network, and on how many images at once.
pub const LATENCY_BATCH: usize = 1;
pub const TRAIN_BATCH: usize = 64;
pub const INFER_BATCH: usize = 256;

/// How long a contestant runs at a time, in seconds.
const MOMENT: f64 = 0.4;

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

/// Answers the requests on standard input, as a peer of another bench.
pub fn serve(mut contestant: impl Contestant) -> Result<()> {
    let name = contestant.name();
    let (name, version) = name.rsplit_once(' ').unwrap_or((&name, ""));
    print_line(&json!({ "name": name, "version": version }))?;
    for line in std::io::stdin().lines() {
        let answer = match contestant.samples_per_sec(&serde_json::from_str(&line?)?)? {
            Some(rate) => json!({ "samples_per_sec": rate }),
            None => json!({ "error": "not written down here" }),
        };
        print_line(&answer)?;
    }
    Ok(())
}

fn print_line(value: &Value) -> Result<()> {
    print(&value.to_string())
}

/// Runs `step`, which gives the seconds it took, for a moment.
fn for_a_moment(mut step: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    let (mut durations, mut sum) = (Vec::new(), 0.);
    while sum < MOMENT {
        let seconds = step()?;
        durations.push(seconds);
        sum += seconds;
    }
    Ok(durations)
}
