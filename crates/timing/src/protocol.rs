use std::io::Write;

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use models::{DeepConvDtiConfig, ModelConfig, ModelName, Preset};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How long a task is repeated for one answer, in seconds.
const SECONDS_PER_ANSWER: f64 = 0.4;

/// A network and a task, to be repeated for a moment. Its JSON is the protocol that peers speak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The name of the model, such as `resnet8`.
    pub model: String,
    /// The head, such as `fc:128`.
    pub head: String,
    /// The shape of an image (C, H, W). Of a protein–drug pair it is (1, 1, L), with the length of the protein; the model
    /// says how many bits the drug's fingerprint has.
    pub input: [usize; 3],
    /// The number of classes.
    pub classes: usize,
    /// The timed task of the network.
    #[serde(rename = "what")]
    pub task: Task,
    /// The number of samples processed at once.
    pub batch: usize,
    /// The number of threads.
    pub threads: usize,
}

/// A task of a network that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// A training step: forward, loss, backward and optimiser.
    Train,
    /// A forward pass.
    Infer,
}

impl Request {
    /// Asks for a task of the network that `model` is with this configuration.
    pub fn new(model: &ModelName, config: &ModelConfig, task: Task, batch: usize, threads: usize) -> Self {
        let (model, head) = (model.to_string(), config.head.to_string());
        Self { model, head, input: config.input, classes: config.classes, task, batch, threads }
    }

    /// Asks for a task of the network for protein–drug pairs that a preset is with this configuration.
    pub fn of_pairs(preset: &Preset, config: &DeepConvDtiConfig, task: Task, batch: usize, threads: usize) -> Self {
        let (model, head, input) = (preset.name.to_string(), config.head.to_string(), [1, 1, config.length]);
        Self { model, head, input, classes: 1, task, batch, threads }
    }

    /// Draws a batch of noise, labelled with the first two classes in turn.
    ///
    /// # Errors
    /// A batch that does not fit into memory.
    pub fn images(&self) -> candle_core::Result<(Tensor, Tensor)> {
        let [channels, height, width] = self.input;
        let images = Tensor::randn(0f32, 1., (self.batch, channels, height, width), &Device::Cpu)?;
        let labels: Vec<u32> = (0..self.batch as u32).map(|i| i % 2).collect();
        Ok((images, Tensor::from_vec(labels, self.batch, &Device::Cpu)?))
    }

    /// Draws a batch of random proteins without padding and of fingerprints in which a tenth of the bits are set, labelled
    /// with 0 and 1 in turn.
    ///
    /// # Errors
    /// A batch that does not fit into memory.
    pub fn pairs(&self, bits: usize) -> candle_core::Result<(Vec<Tensor>, Tensor)> {
        let [_, _, length] = self.input;
        let proteins = Tensor::rand(1f32, 21., (self.batch, length), &Device::Cpu)?.to_dtype(DType::U32)?;
        let drugs = Tensor::rand(0f32, 1., (self.batch, bits), &Device::Cpu)?.lt(0.1)?.to_dtype(DType::F32)?;
        let labels: Vec<f32> = (0..self.batch).map(|i| (i % 2) as f32).collect();
        Ok((vec![proteins, drugs], Tensor::from_vec(labels, self.batch, &Device::Cpu)?))
    }
}

/// Repeats a step, which returns its duration in seconds, for as long as one answer may take, and sorts the durations.
///
/// # Errors
/// The first error of a step.
pub fn repeat(mut step: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    let (mut durations, mut sum) = (Vec::new(), 0.);
    while sum < SECONDS_PER_ANSWER {
        let duration = step()?;
        durations.push(duration);
        sum += duration;
    }
    durations.sort_unstable_by(f64::total_cmp);
    Ok(durations)
}

/// Answers requests on standard input until it is closed. `samples_per_sec` executes a request and returns the images per
/// second, or `None` if the program does not have the network.
///
/// # Errors
/// A request that is not in the protocol, and the first error of `samples_per_sec`.
pub fn serve(
    name: &str,
    version: &str,
    mut samples_per_sec: impl FnMut(&Request) -> Result<Option<f64>>,
) -> Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{}", json!({ "name": name, "version": version }))?;
    for line in std::io::stdin().lines() {
        let answer = match samples_per_sec(&serde_json::from_str(&line?)?)? {
            Some(rate) => json!({ "samples_per_sec": rate }),
            None => json!({ "error": "this program does not have the network" }),
        };
        writeln!(output, "{answer}")?;
    }
    Ok(())
}
