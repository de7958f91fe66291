use std::time::Instant;

use anyhow::Result;
use candle_core::{Device, Tensor};
use layers::{Layer, Mode};
use models::{Classifier, PreparedClassifier};
use training::{Optimizer, OptimizerConfig, Parameters};

/// The learning rate of timed training steps. It is so small that the weights do not change: a network that diverges
/// would be timed on other numbers.
const LEARNING_RATE: f64 = 1e-12;

/// A network that is timed in training and in inference.
pub struct Network {
    model: Classifier,
    optimizer: Optimizer,
    device: Device,
    step: u64,
}

impl Network {
    /// Builds the network on a device.
    ///
    /// # Errors
    /// Those of `build`, and parameters that the optimiser cannot update.
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

    /// Takes one training step and returns its duration in seconds.
    ///
    /// # Errors
    /// Images that the network does not take.
    pub fn train(&mut self, images: &Tensor, labels: &Tensor) -> Result<f64> {
        let start = Instant::now();
        let logits = self.model.forward(images, Mode::Train { seed: 0, step: self.step })?;
        let loss = ops::cross_entropy(&logits, labels)?;
        self.optimizer.step(&loss.backward()?, LEARNING_RATE)?;
        self.device.synchronize()?;
        self.step += 1;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Prepares the network for inference and warms it up with these images.
    ///
    /// # Errors
    /// Images that the network does not take.
    pub fn inference(&self, images: &Tensor) -> Result<Inference<'_>> {
        let prepared = self.device.is_cpu().then(|| self.model.prepare(&images.dims()[1..])).transpose()?;
        let mut inference = Inference { network: self, prepared };
        inference.run(images)?;
        Ok(inference)
    }
}

/// A network in inference: in its prepared form on the CPU, in the plain form on other devices.
pub struct Inference<'a> {
    network: &'a Network,
    prepared: Option<PreparedClassifier<'a>>,
}

impl Inference<'_> {
    /// Executes one forward pass and returns its duration in seconds.
    ///
    /// # Errors
    /// Images that the network does not take.
    pub fn run(&mut self, images: &Tensor) -> Result<f64> {
        let start = Instant::now();
        match &mut self.prepared {
            Some(prepared) => prepared.forward(images)?,
            None => self.network.model.forward(images, Mode::Inference)?,
        };
        self.network.device.synchronize()?;
        Ok(start.elapsed().as_secs_f64())
    }
}
