//! A planned run of a sweep.

use std::{fmt, sync::Arc};

use anyhow::{Result, bail};
use candle_core::Device;
use layers::Description;
use records::RunConfig;
use timing::{INFER_BATCH, TRAIN_BATCH};
use training::{DeviceKind, FitConfig, Length, Optimizer, OptimizerConfig, Parameters, Schedule};

use crate::task::Task;

/// The largest number of values in memory for one batch: 8 GiB of f32.
const MAX_ACTIVATIONS: usize = 1 << 31;

/// A planned run: everything that determines its result.
#[derive(Clone, Debug)]
pub struct Run {
    /// The network and its data.
    pub task: Arc<dyn Task>,
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
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub device: DeviceKind,
    /// The multiply-accumulates of a forward pass of one sample.
    pub macs: u64,
    /// The properties of the data that differ within the plan, for messages.
    pub data_label: String,
}

impl Run {
    /// The configuration as it stands in the record.
    pub fn config(&self) -> RunConfig {
        let (epochs, updates) = match self.length {
            Length::Epochs(epochs) => (Some(epochs), None),
            Length::Updates(updates) => (None, Some(updates)),
        };
        RunConfig {
            seed: self.seed,
            epochs,
            updates,
            batch_size: self.batch_size,
            lr: self.lr,
            schedule: self.schedule.to_string(),
            optimizer: self.optimizer.to_string(),
            device: self.device.to_string(),
            setting: self.setting.clone(),
            ..self.task.config()
        }
    }

    /// The options of training.
    pub fn fit_config(&self) -> FitConfig {
        FitConfig::new(self.length, self.lr).seed(self.seed).schedule(self.schedule).optimizer(self.optimizer.clone())
    }

    /// The number of optimiser updates.
    pub fn updates(&self) -> u64 {
        self.updates_of(self.batches_per_epoch(&*self.task))
    }

    /// The number of epochs on the data of `task`: that of the run's seed, which may have more training samples than that of
    /// the plan. The last epoch may be incomplete.
    pub fn epochs(&self, task: &dyn Task) -> usize {
        let batches = self.batches_per_epoch(task);
        self.updates_of(batches).div_ceil(batches.max(1)) as usize
    }

    fn updates_of(&self, batches_per_epoch: u64) -> u64 {
        self.length.updates(batches_per_epoch).unwrap_or(u64::MAX)
    }

    fn batches_per_epoch(&self, task: &dyn Task) -> u64 {
        task.train_len().div_ceil(self.batch_size) as u64
    }

    /// The work of the run: multiply-accumulates times training samples. At least 1, also for networks that are only counted.
    pub fn cost(&self) -> u64 {
        let images = self.updates().saturating_mul(self.batch_size.min(self.task.train_len()) as u64);
        self.macs.saturating_mul(images).max(1)
    }

    /// The name of the variant in messages: everything but the seed.
    pub fn variant_title(&self) -> String {
        let RunConfig { dataset, model, head, .. } = self.task.config();
        let setting = self.setting.as_ref().map_or(String::new(), |setting| format!(", {setting}"));
        format!("{dataset} {model} {head}{}{setting}", self.data_label)
    }

    /// Returns whether both runs execute the same network, apart from its weights.
    pub fn has_network_of(&self, other: &Run) -> bool {
        let network = |run: &Run| {
            let RunConfig { model, head, input, classes, network, .. } = run.task.config();
            (model, head, input, classes, network, run.device)
        };
        network(self) == network(other)
    }

    /// Builds the network, checks that it fits its task and into memory, and counts its multiply-accumulates.
    pub fn check(&self, trains: bool) -> Result<u64> {
        let parameters = Parameters::zeros(&Device::Cpu);
        let description = self.task.build(&parameters)?.anatomy()?.whole;
        Optimizer::new(&self.optimizer, &parameters)?;
        check_memory(&description, if trains { self.batch_size.min(self.task.train_len()) } else { TRAIN_BATCH })?;
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
