//! A suite: which variants are compared, on what, and how they are trained. One TOML file each, in
//! `experiments/suites/`.

mod file;
mod options;
mod rates;
#[cfg(test)]
mod tests;

pub use file::{Outline, embedded, find};
pub use rates::{Rates, Trial};

use anyhow::Result;
use datasets::{Canvas, DatasetId};
use heads::HeadConfig;
use models::ModelName;
use training::{Length, OptimizerConfig, Schedule};

use crate::{
    cli::{DeviceKind, Shape},
    distinct::distinct,
    measures::Measure,
    misuse::Misuse,
};

/// A suite, with the options of the command line worked in. Its runs are every variant on every data set, canvas and
/// size of the training set.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// The file's, without `.toml`: also the name of its folder of results.
    pub name: String,
    pub question: String,
    pub datasets: Vec<DatasetId>,
    /// What image folders are resized to.
    pub input: Option<Shape>,
    /// What images are set on before anything sees them; of `inputs = […]` one for each.
    pub canvases: Vec<Option<Canvas>>,
    /// How many images are trained on; all that are left where it is none.
    pub train_sizes: Vec<Option<usize>>,
    pub first_seed: u64,
    pub seeds: usize,
    /// 0 epochs: nothing is trained, only counted and timed.
    pub length: Length,
    pub batch_size: usize,
    /// How many training images are held out: the same ones for all seeds.
    pub validation: usize,
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub device: DeviceKind,
    pub variants: Vec<Variant>,
    /// The learning rate of variants that the suite does not name.
    pub lr: f64,
    /// The rates that `--tune` tries.
    pub lr_grid: Vec<f64>,
    /// Those that it found: they go before a variant's own.
    pub rates: Rates,
    /// What is measured after training.
    pub measure: Option<Measure>,
    /// The file.
    pub text: String,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub model: ModelName,
    pub head: HeadConfig,
    /// A word for what else is particular about it.
    pub setting: Option<String>,
    /// On which of the suite's data sets; on all if there are none.
    pub datasets: Vec<DatasetId>,
    /// If fewer than the suite's.
    pub seeds: Option<usize>,
    pub lr: f64,
    /// The rate is given, not chosen: neither `--tune` nor what it found changes it.
    pub fixed_lr: bool,
}

impl Suite {
    pub fn trains(&self) -> bool {
        self.length != Length::Epochs(0)
    }

    /// (C, H, W) that image folders are resized to: what the suite says, or what all its models take by default.
    pub fn input(&self) -> Result<[usize; 3]> {
        if let Some(input) = self.input {
            return Ok(input.0);
        }
        let inputs = distinct(self.variants.iter().map(|variant| variant.model.architecture().default_input));
        let any_folder = self.datasets.iter().any(|id| matches!(id, DatasetId::Folder(path) if path.is_dir()));
        match inputs.as_slice() {
            [_, _, ..] if any_folder => {
                let inputs: Vec<String> = inputs.iter().map(|&input| Shape(input).to_string()).collect();
                let inputs = inputs.join(" and ");
                Err(Misuse::new(format!("these models take {inputs}: say by --input to what images are resized"))
                    .into())
            }
            _ => Ok(inputs[0]),
        }
    }
}

impl Variant {
    pub fn new(model: ModelName, head: HeadConfig, lr: f64) -> Self {
        Self { model, head, setting: None, datasets: Vec::new(), seeds: None, lr, fixed_lr: false }
    }

    pub fn is_for(&self, dataset: &DatasetId) -> bool {
        self.datasets.is_empty() || self.datasets.contains(dataset)
    }
}
