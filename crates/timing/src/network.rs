use std::time::Instant;

use anyhow::Result;
use candle_core::{Device, Tensor};
use layers::Mode;
use models::{Classifier, DeepConvDti, PreparedClassifier};
use training::{Loss, Model, Optimizer, OptimizerConfig, Parameters, on_awake_threads};

/// The learning rate of timed training steps. It is so small that the weights do not change: a network that diverges
/// would be timed on other numbers.
const LEARNING_RATE: f64 = 1e-12;

/// The model of a network that is timed.
pub enum TimedModel {
    /// A classifier of images.
    Images(Classifier),
    /// A network for protein–drug pairs.
    Pairs(Box<DeepConvDti>),
}

impl From<Classifier> for TimedModel {
    fn from(model: Classifier) -> Self {
        Self::Images(model)
    }
}

impl From<DeepConvDti> for TimedModel {
    fn from(model: DeepConvDti) -> Self {
        Self::Pairs(Box::new(model))
    }
}

impl TimedModel {
    fn forward(&self, inputs: &[Tensor], mode: Mode) -> candle_core::Result<Tensor> {
        match self {
            Self::Images(model) => Model::forward(model, inputs, mode),
            Self::Pairs(model) => Model::forward(&**model, inputs, mode),
        }
    }

    fn loss(&self) -> Loss {
        match self {
            Self::Images(_) => Loss::default(),
            Self::Pairs(_) => Loss::BinaryCrossEntropy,
        }
    }
}

/// A network that is timed in training and in inference.
pub struct Network {
    model: TimedModel,
    optimizer: Optimizer,
    device: Device,
    step: u64,
}

impl Network {
    /// Builds the network on a device.
    ///
    /// # Errors
    /// Those of `build`, and parameters that the optimiser cannot update.
    pub fn new<M: Into<TimedModel>>(
        device: &Device,
        optimizer: &OptimizerConfig,
        build: impl FnOnce(&Parameters) -> candle_core::Result<M>,
    ) -> Result<Self> {
        let parameters = Parameters::seeded(0, device);
        let model = build(&parameters)?.into();
        let optimizer = Optimizer::new(optimizer, &parameters)?;
        Ok(Self { model, optimizer, device: device.clone(), step: 0 })
    }

    /// Takes one training step and returns its duration in seconds.
    ///
    /// # Errors
    /// Inputs that the network does not take.
    pub fn train(&mut self, inputs: &[Tensor], targets: &Tensor) -> Result<f64> {
        let start = Instant::now();
        on_awake_threads(&self.device, || {
            let tape = ops::Tape::start();
            let outputs = self.model.forward(inputs, Mode::Train { seed: 0, step: self.step })?;
            let loss = self.model.loss().forward(&outputs, targets)?;
            self.optimizer.step(&tape.backward(&loss)?, LEARNING_RATE)
        })?;
        self.device.synchronize()?;
        self.step += 1;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Prepares the network for inference and warms it up with these inputs.
    ///
    /// # Errors
    /// Inputs that the network does not take.
    pub fn inference(&self, inputs: &[Tensor]) -> Result<Inference<'_>> {
        let prepared = match (&self.model, inputs) {
            (TimedModel::Images(model), [images]) if self.device.is_cpu() => Some(model.prepare(&images.dims()[1..])?),
            _ => None,
        };
        let mut inference = Inference { network: self, prepared };
        inference.run(inputs)?;
        Ok(inference)
    }
}

/// A network in inference: a classifier on the CPU in its prepared form, all others in the plain form.
pub struct Inference<'a> {
    network: &'a Network,
    prepared: Option<PreparedClassifier<'a>>,
}

impl Inference<'_> {
    /// Executes one forward pass and returns its duration in seconds.
    ///
    /// # Errors
    /// Inputs that the network does not take.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<f64> {
        let start = Instant::now();
        match (&mut self.prepared, inputs) {
            (Some(prepared), [images]) => prepared.forward(images)?,
            _ => self.network.model.forward(inputs, Mode::Inference)?,
        };
        self.network.device.synchronize()?;
        Ok(start.elapsed().as_secs_f64())
    }
}
