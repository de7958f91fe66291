use std::time::Instant;

use anyhow::Result;
use candle_core::{Device, Tensor};
use layers::Mode;
use models::{Classifier, DeepConvDti};
use training::{Batch, Loss, Model, Optimizer, OptimizerConfig, Parameters};

/// The learning rate of timed training steps. It is so small that the weights do not change: a network that diverges
/// would be timed on other numbers.
const LEARNING_RATE: f64 = 1e-12;

/// A model that can be timed.
pub trait Timed: Model {
    /// Returns the loss that the model is trained on.
    fn loss(&self) -> Loss;

    /// Prepares the model for inference on inputs like these, on a device.
    ///
    /// # Errors
    /// Inputs that the model does not take.
    fn prepare(&self, _inputs: &[Tensor], _device: &Device) -> candle_core::Result<Forward<'_>> {
        Ok(Box::new(|inputs| self.forward(inputs, Mode::Inference).map(|_| ())))
    }
}

/// Executes a forward pass.
pub type Forward<'a> = Box<dyn FnMut(&[Tensor]) -> candle_core::Result<()> + 'a>;

impl Timed for Classifier {
    fn loss(&self) -> Loss {
        Loss::default()
    }

    /// On the CPU it is the prepared form, on other devices the plain one.
    fn prepare(&self, inputs: &[Tensor], device: &Device) -> candle_core::Result<Forward<'_>> {
        if !device.is_cpu() {
            return Ok(Box::new(|inputs| Model::forward(self, inputs, Mode::Inference).map(|_| ())));
        }
        let mut prepared = Classifier::prepare(self, &inputs[0].dims()[1..])?;
        Ok(Box::new(move |inputs| prepared.forward(&inputs[0]).map(|_| ())))
    }
}

impl Timed for DeepConvDti {
    fn loss(&self) -> Loss {
        Loss::BinaryCrossEntropy
    }
}

/// A network that is timed in training and in inference.
pub struct Network {
    model: Box<dyn Timed + Send + Sync>,
    optimizer: Optimizer,
    device: Device,
    step: u64,
}

impl Network {
    /// Builds the network on a device.
    ///
    /// # Errors
    /// Those of `build`, and parameters that the optimiser cannot update.
    pub fn new<M: Timed + Send + Sync + 'static>(
        device: &Device,
        optimizer: &OptimizerConfig,
        build: impl FnOnce(&Parameters) -> candle_core::Result<M>,
    ) -> Result<Self> {
        let parameters = Parameters::seeded(0, device);
        let model = Box::new(build(&parameters)?);
        let optimizer = Optimizer::new(optimizer, &parameters)?;
        Ok(Self { model, optimizer, device: device.clone(), step: 0 })
    }

    /// Takes one training step and returns its duration in seconds.
    ///
    /// # Errors
    /// A batch that the network does not take.
    pub fn train(&mut self, batch: &Batch) -> Result<f64> {
        let start = Instant::now();
        let outputs = self.model.forward(&batch.inputs, Mode::Train { seed: 0, step: self.step })?;
        let loss = self.model.loss().forward(&outputs, &batch.targets)?;
        self.optimizer.step(&loss.backward()?, LEARNING_RATE)?;
        self.device.synchronize()?;
        self.step += 1;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Prepares the network for inference and warms it up with these inputs.
    ///
    /// # Errors
    /// Inputs that the network does not take.
    pub fn inference(&self, inputs: &[Tensor]) -> Result<Inference<'_>> {
        let mut inference = Inference { forward: self.model.prepare(inputs, &self.device)?, device: &self.device };
        inference.run(inputs)?;
        Ok(inference)
    }
}

/// A network in inference.
pub struct Inference<'a> {
    forward: Forward<'a>,
    device: &'a Device,
}

impl Inference<'_> {
    /// Executes one forward pass and returns its duration in seconds.
    ///
    /// # Errors
    /// Inputs that the network does not take.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<f64> {
        let start = Instant::now();
        (self.forward)(inputs)?;
        self.device.synchronize()?;
        Ok(start.elapsed().as_secs_f64())
    }
}
