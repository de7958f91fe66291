//! What runs train: networks on the data of a task, which is to classify images, or to tell whether a drug binds a protein.

mod images;
mod pairs;

pub use images::ImageTask;
pub use pairs::PairTask;

use std::{fmt::Debug, path::Path, sync::Arc};

use anyhow::Result;
use candle_core::Device;
use layers::Description;
use records::{Point, RunConfig};
use serde_json::Value;
use timing::TimedNetwork;
use training::{Batch, Evaluation, Loss, Model, OptimizerConfig, Parameters, Validation};

use crate::files::Pictures;

/// A kind of network and the data that it is trained and measured on.
pub trait Task: Debug + Send + Sync {
    /// The keys of a run's configuration that the task decides; the others have their default.
    fn config(&self) -> RunConfig;

    /// The number of training samples.
    fn train_len(&self) -> usize;

    /// The names of the classes.
    fn class_names(&self) -> Vec<String>;

    /// The class of each test sample.
    fn test_labels(&self) -> Vec<u32>;

    /// The task with the samples that a seed sees; `None` if they are those of this task for all seeds.
    ///
    /// # Errors
    /// Samples that cannot be read.
    fn of_seed(&self, _seed: u64) -> Result<Option<Arc<dyn Task>>> {
        Ok(None)
    }

    /// Builds the network with weights from `parameters`, and gives it those that training is to start from.
    ///
    /// # Errors
    /// A network that is impossible for this data.
    fn build<'a>(&'a self, parameters: &Parameters) -> Result<Box<dyn Network + 'a>>;

    /// Says where the weights that training starts from are not drawn at random; `None` if all are.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    fn start(&self) -> Result<Option<String>>;

    /// Builds the network to measure its speed, with the first training samples.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    fn timed(&self, device: &Device, optimizer: &OptimizerConfig) -> Result<TimedNetwork>;
}

/// The network of a task.
pub trait Network {
    /// The network as it is trained.
    fn model(&self) -> &dyn Model;

    /// The loss that it is trained on.
    fn loss(&self) -> Loss;

    /// Counts its parts.
    ///
    /// # Errors
    /// Outputs that do not fit the task.
    fn anatomy(&self) -> Result<Anatomy>;

    /// The batches of an epoch, in the order and with the random changes of the stream.
    fn training_batches(&self, batch_size: usize, stream: [u64; 2]) -> Batches<'_>;

    /// Classifies the samples of a part in their order; `None` if there is no such part.
    ///
    /// # Errors
    /// Samples that cannot be read.
    fn evaluate(&self, part: Part) -> Result<Option<Evaluation>>;

    /// The performance on the validation samples after an epoch; `None` if there are none.
    ///
    /// # Errors
    /// Samples that cannot be read.
    fn validate(&self) -> Result<Option<Validation>> {
        Ok(self.evaluate(Part::Validation)?.as_ref().map(Validation::from))
    }

    /// Measures what the suite asks for besides the accuracy. `test` is the evaluation of the test samples, and `seed` that
    /// of the run, with which the network before training can be built.
    ///
    /// # Errors
    /// Those of the measure.
    fn measure(&self, test: &Evaluation, seed: u64) -> Result<Vec<Point>>;

    /// Draws pictures of the trained network.
    ///
    /// # Errors
    /// Samples that cannot be read.
    fn draw(&self, test: &Evaluation) -> Result<Pictures>;

    /// Writes the weights to a file that says which network they belong to, and how it was trained.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn save(&self, parameters: &Parameters, path: &Path, training: Value) -> Result<()>;
}

/// The batches of an epoch.
pub type Batches<'a> = Box<dyn ExactSizeIterator<Item = candle_core::Result<Batch>> + 'a>;

/// A part of a task's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Training,
    Validation,
    Test,
}

/// The parts of a network.
#[derive(Debug)]
pub struct Anatomy {
    /// The whole network.
    pub whole: Description,
    /// The number of parameters of the head.
    pub head_params: usize,
    /// The shape of the features that the head receives.
    pub features: Vec<usize>,
    /// The sides of the receptive field of the features; `None` if it is the whole sample.
    pub receptive_field: Option<Vec<usize>>,
}
