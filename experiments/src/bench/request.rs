use anyhow::Result;
use candle_core::{Device, Tensor};
use models::{ModelConfig, ModelName};
use serde::{Deserialize, Serialize};

/// How long a contestant repeats a task for one answer, in seconds.
pub const SECONDS_PER_ANSWER: f64 = 0.4;

/// A network and a task, to be repeated for a moment. Its JSON is the protocol that peers speak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub model: String,
    pub head: String,
    /// The shape of an image (C, H, W).
    pub input: [usize; 3],
    pub classes: usize,
    #[serde(rename = "what")]
    pub task: Task,
    /// The number of images processed at once.
    pub batch: usize,
    pub threads: usize,
}

/// What a network does while it is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// A training step: forward, cross-entropy, backward and optimiser.
    Train,
    /// A forward pass.
    Infer,
}

/// A program that executes requests.
pub trait Contestant {
    /// The program's name and version, separated by a space.
    fn name(&self) -> String;

    /// The images per second that the network reaches; `None` if the program does not have the network.
    fn samples_per_sec(&mut self, request: &Request) -> Result<Option<f64>>;
}

impl Request {
    /// Requests a task of one of the zoo's networks.
    pub fn new(model: &ModelName, config: &ModelConfig, task: Task, batch: usize, threads: usize) -> Self {
        let (model, head) = (model.to_string(), config.head.to_string());
        Self { model, head, input: config.input, classes: config.classes, task, batch, threads }
    }

    /// A batch of noise, labelled with the first two classes in turn.
    pub fn images(&self) -> candle_core::Result<(Tensor, Tensor)> {
        let [channels, height, width] = self.input;
        let images = Tensor::randn(0f32, 1., (self.batch, channels, height, width), &Device::Cpu)?;
        let labels: Vec<u32> = (0..self.batch as u32).map(|i| i % 2).collect();
        Ok((images, Tensor::from_vec(labels, self.batch, &Device::Cpu)?))
    }
}
