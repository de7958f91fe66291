use anyhow::Result;
use datasets::{Augmentation, Canvas, DatasetId, Shape, SplitOptions};
use heads::HeadConfig;
use models::ModelName;
use records::{Rates, distinct};
use training::{DeviceKind, Length, OptimizerConfig, Schedule};

use crate::{data::DataSpec, init::Init, measures::Measure, misuse::Misuse};

/// A suite: the variants that are compared, their data and how they are trained. A run is one variant on one data set,
/// canvas and training size with one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// The file's name without `.toml`, which is also the name of the suite's folder of results.
    pub name: String,
    pub question: String,
    pub datasets: Vec<DatasetId>,
    /// The shape that the images of folders are resized to; `None` uses the default input of the models.
    pub input: Option<Shape>,
    /// The canvases that images are placed on, one for each of `inputs = […]`; `None` leaves the images as they are.
    pub canvases: Vec<Option<Canvas>>,
    /// The numbers of training images; `None` uses all that are not held out.
    pub train_sizes: Vec<Option<usize>>,
    pub first_seed: u64,
    /// The number of seeds.
    pub seeds: usize,
    /// The length of training. With 0 epochs, networks are only counted and timed.
    pub length: Length,
    pub batch_size: usize,
    /// The number of training images that are held out for validation, the same ones for all seeds.
    pub validation: usize,
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub device: DeviceKind,
    /// The trained weights that the networks start from.
    pub init: Option<Init>,
    pub variants: Vec<Variant>,
    /// The learning rate of variants that the suite does not name.
    pub lr: f64,
    /// The learning rates that `--tune` tries.
    pub lr_grid: Vec<f64>,
    /// The number of seeds for each learning rate that `--tune` tries.
    pub tuning_seeds: usize,
    /// The learning rates that `--tune` chose. They take precedence over a variant's own.
    pub rates: Rates,
    /// The measure of each trained network besides its accuracy.
    pub measure: Option<&'static Measure>,
    /// The text of the suite's file.
    pub text: String,
}

/// A model with a head and the options that a suite's file sets for both.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub model: ModelName,
    pub head: HeadConfig,
    /// A label that distinguishes variants with the same model and head.
    pub setting: Option<String>,
    /// The data sets that the variant is trained on; all of the suite's if empty.
    pub datasets: Vec<DatasetId>,
    /// The number of seeds, if fewer than the suite's.
    pub seeds: Option<usize>,
    /// The length of training, if it is not the suite's.
    pub length: Option<Length>,
    /// The random changes of training images.
    pub augmentation: Augmentation,
    pub lr: f64,
    /// True if the learning rate is given: neither `--tune` nor its earlier results change it then.
    pub fixed_lr: bool,
}

impl Suite {
    /// Returns whether the suite's networks are trained, not only counted and timed.
    pub fn trains(&self) -> bool {
        self.length != Length::Epochs(0)
    }

    /// The data that the suite's runs need.
    ///
    /// # Errors
    /// [`Misuse`] if the images of a folder have no common size to be resized to.
    pub fn data_spec(&self) -> Result<DataSpec, Misuse> {
        Ok(DataSpec {
            datasets: self.datasets.clone(),
            folder_input: self.folder_input()?,
            splits: SplitOptions {
                canvases: self.canvases.clone(),
                train_sizes: self.train_sizes.clone(),
                validation: self.validation,
            },
            remedy: "change `--train-size`, or `train_size` and `validation` in the suite's file",
        })
    }

    /// The shape (C, H, W) that the images of folders are resized to.
    fn folder_input(&self) -> Result<[usize; 3], Misuse> {
        if let Some(input) = self.input {
            return Ok(input.0);
        }
        let inputs = distinct(self.variants.iter().map(|variant| variant.model.architecture().default_input));
        let any_folder = self.datasets.iter().any(|id| matches!(id, DatasetId::Folder(path) if path.is_dir()));
        if inputs.len() > 1 && any_folder {
            let inputs: Vec<String> = inputs.iter().map(|&input| Shape(input).to_string()).collect();
            return Err(Misuse::new(format!(
                "the models have different default inputs, {}; choose the images' shape with --input",
                inputs.join(" and ")
            )));
        }
        Ok(inputs[0])
    }
}

impl Variant {
    /// Creates a variant with a learning rate that `--tune` may change.
    pub fn new(model: ModelName, head: HeadConfig, lr: f64) -> Self {
        let (datasets, augmentation) = (Vec::new(), Augmentation::default());
        Self { model, head, setting: None, datasets, seeds: None, length: None, augmentation, lr, fixed_lr: false }
    }

    /// Returns whether the variant is trained on this data set.
    pub fn is_for(&self, dataset: &DatasetId) -> bool {
        self.datasets.is_empty() || self.datasets.contains(dataset)
    }
}
