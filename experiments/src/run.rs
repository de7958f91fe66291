//! A planned run of a sweep.

use std::{fmt, sync::Arc};

use anyhow::{Result, bail};
use candle_core::Device;
use datasets::{Augmentation, Shape, Splits};
use heads::HeadConfig;
use layers::{Description, Layer};
use models::{Classifier, ModelConfig, ModelName, NetworkInfo};
use records::RunConfig;
use serde_json::json;
use timing::{INFER_BATCH, TRAIN_BATCH};
use training::{DeviceKind, FitConfig, Length, Optimizer, OptimizerConfig, Parameters, Schedule};

use crate::{init::Init, measures::Measure};

/// The largest number of values in memory for one batch: 8 GiB of f32.
const MAX_ACTIVATIONS: usize = 1 << 31;

/// A planned run: everything that determines its result.
#[derive(Clone, Debug)]
pub struct Run {
    /// The images, those of seed 0 if each seed draws its own.
    pub data: Arc<Splits>,
    pub model: ModelName,
    pub head: HeadConfig,
    /// The label that distinguishes variants with the same model and head.
    pub setting: Option<String>,
    /// The peak learning rate.
    pub lr: f64,
    /// True if the suite has tuned learning rates, but none for this variant.
    pub lacks_rate: bool,
    /// The variant's position in the plan, which is the order of rows in tables.
    pub order: usize,
    pub seed: u64,
    pub length: Length,
    pub batch_size: usize,
    pub augmentation: Augmentation,
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub device: DeviceKind,
    /// The trained weights that the network starts from.
    pub init: Option<Init>,
    pub measure: Option<&'static Measure>,
    /// The multiply-accumulates of a forward pass of one image.
    pub macs: u64,
    /// The properties of the data that differ within the plan, for messages.
    pub data_label: String,
}

impl Run {
    /// The configuration as it stands in the record.
    pub fn config(&self) -> RunConfig {
        let data = &self.data;
        let (epochs, updates) = match self.length {
            Length::Epochs(epochs) => (Some(epochs), None),
            Length::Updates(updates) => (None, Some(updates)),
        };
        RunConfig {
            augment: (!self.augmentation.is_none()).then(|| self.augmentation.to_string()),
            init: self.init.as_ref().map(|init| init.sha256.clone()),
            freeze: self.init.as_ref().is_some_and(|init| init.freeze),
            dataset: data.name.clone(),
            data_fingerprint: data.fingerprint.clone(),
            model: self.model.to_string(),
            head: self.head.to_string(),
            seed: self.seed,
            epochs,
            updates,
            batch_size: self.batch_size,
            lr: self.lr,
            train_size: data.train.len(),
            validation: data.validation.as_ref().map_or(0, |images| images.len()),
            schedule: self.schedule.to_string(),
            optimizer: self.optimizer.to_string(),
            device: self.device.to_string(),
            input: Shape(self.input()).to_string(),
            classes: data.classes,
            setting: self.setting.clone(),
            canvas: data.canvas.map(|canvas| canvas.to_string()),
            measure: self.measure.map(|measure| measure.name.to_string()),
        }
    }

    /// The shape (C, H, W) of the images.
    pub fn input(&self) -> [usize; 3] {
        self.data.train.shape
    }

    /// The run with the images that its seed sees.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub fn with_images_of_seed(&self) -> Result<Self> {
        Ok(Self { data: Arc::new(self.data.of_seed(self.seed)?), ..self.clone() })
    }

    /// Builds the network.
    pub fn build(&self, parameters: &Parameters) -> candle_core::Result<Classifier> {
        let config = ModelConfig {
            input: self.input(),
            classes: self.data.classes,
            head: self.head.clone(),
            width: self.model.width(),
        };
        self.model.architecture().build(&config, parameters.builder())
    }

    /// What the file of the trained network, with this test accuracy, says about it.
    pub fn network_info(&self, top1: f64) -> NetworkInfo {
        let config = self.config();
        NetworkInfo {
            model: self.model,
            head: self.head.clone(),
            input: self.input(),
            classes: self.data.class_names.clone(),
            standardization: self.data.standardization.clone(),
            dataset: Some(self.data.name.clone()),
            training: Some(json!({ "config_hash": config.hash(), "config": config, "top1": top1 })),
        }
    }

    /// The options of training.
    pub fn fit_config(&self) -> FitConfig {
        FitConfig::new(self.length, self.lr).seed(self.seed).schedule(self.schedule).optimizer(self.optimizer.clone())
    }

    /// The number of optimiser updates.
    pub fn updates(&self) -> u64 {
        self.length.updates(self.batches_per_epoch()).unwrap_or(u64::MAX)
    }

    /// The number of epochs. The last one may be incomplete.
    pub fn epochs(&self) -> usize {
        self.updates().div_ceil(self.batches_per_epoch().max(1)) as usize
    }

    fn batches_per_epoch(&self) -> u64 {
        self.data.train.len().div_ceil(self.batch_size) as u64
    }

    /// The work of the run: multiply-accumulates times training images. At least 1, also for networks that are only counted.
    pub fn cost(&self) -> u64 {
        let images = self.updates().saturating_mul(self.batch_size.min(self.data.train.len()) as u64);
        self.macs.saturating_mul(images).max(1)
    }

    /// The name of the variant in messages: everything but the seed.
    pub fn variant_title(&self) -> String {
        let setting = self.setting.as_ref().map_or(String::new(), |setting| format!(", {setting}"));
        format!("{} {} {}{}{setting}", self.data.name, self.model, self.head, self.data_label)
    }

    /// Returns whether both runs execute the same network, apart from its weights.
    pub fn has_network_of(&self, other: &Run) -> bool {
        let network = |run: &Run| (run.model, run.head.clone(), run.input(), run.data.classes, run.device);
        network(self) == network(other)
    }

    /// Builds the network, checks that it gives one logit per class and fits into memory, and counts its
    /// multiply-accumulates.
    pub fn check(&self, trains: bool) -> Result<u64> {
        let parameters = Parameters::zeros(&Device::Cpu);
        let mut network = self.build(&parameters)?;
        self.init.as_ref().map(|init| init.apply(&mut network, &parameters)).transpose()?;
        let description = network.describe(&self.input())?;
        if description.output != [self.data.classes] {
            bail!("the network's output has the shape {:?} instead of {} logits", description.output, self.data.classes)
        }
        Optimizer::new(&self.optimizer, &parameters)?;
        check_memory(&description, if trains { self.batch_size.min(self.data.train.len()) } else { TRAIN_BATCH })?;
        Ok(description.macs)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} seed {}", self.variant_title(), self.seed)
    }
}

/// Checks that training on `train_batch` images and inference on [`INFER_BATCH`] images fit into memory.
pub fn check_memory(network: &Description, train_batch: usize) -> Result<()> {
    let activations = network.activations();
    let largest = activations.iter().max().copied().unwrap_or_default();
    // In inference, a layer's output is freed after the next layer.
    let values = train_batch.saturating_mul(activations.iter().sum()).max(INFER_BATCH * 2 * largest);
    if values > MAX_ACTIVATIONS {
        bail!(
            "a batch needs {values} values in memory, but at most {MAX_ACTIVATIONS} are possible; use smaller batches, \
             images or widths"
        )
    }
    Ok(())
}
