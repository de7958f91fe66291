//! The runs of a sweep, each checked before anything trains.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use candle_core::Device;
use layers::{Description, Layer};
use models::{Classifier, ModelConfig};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use training::{FitConfig, OptimizerConfig, Parameters, Schedule};

use crate::{
    bench::INFER_BATCH,
    cli::{DeviceKind, Shape, Shard},
    data::{Data, hex},
    misuse::Misuse,
    suite::{Suite, Variant},
};

/// All that decides what one run gives.
#[derive(Clone, Debug)]
pub struct RunConfig {
    pub dataset: String,
    pub data_fingerprint: String,
    pub variant: Variant,
    /// The variant's place in the plan: tables keep this order.
    pub order: usize,
    pub seed: u64,
    pub epochs: usize,
    pub batch_size: usize,
    pub train_size: usize,
    pub validation: usize,
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub device: DeviceKind,
    pub input: [usize; 3],
    pub classes: usize,
}

impl RunConfig {
    /// As it stands in the record: flat, strings and numbers.
    pub fn entries(&self) -> BTreeMap<String, Value> {
        let entries = [
            ("dataset", json!(self.dataset)),
            ("data_fingerprint", json!(self.data_fingerprint)),
            ("model", json!(self.variant.model.to_string())),
            ("head", json!(self.variant.head.to_string())),
            ("seed", json!(self.seed)),
            ("epochs", json!(self.epochs)),
            ("batch_size", json!(self.batch_size)),
            ("lr", json!(self.variant.lr)),
            ("train_size", json!(self.train_size)),
            ("validation", json!(self.validation)),
            ("schedule", json!(self.schedule.to_string())),
            ("optimizer", json!(self.optimizer.to_string())),
            ("device", json!(self.device.to_string())),
            ("input", json!(Shape(self.input).to_string())),
            ("classes", json!(self.classes)),
        ];
        entries.map(|(key, value)| (key.to_string(), value)).into()
    }

    /// Of everything but the seed.
    pub fn hash(&self) -> String {
        let mut entries = self.entries();
        entries.remove("seed");
        digest(&json!(entries))
    }

    pub fn build(&self, parameters: &Parameters) -> candle_core::Result<Classifier> {
        let config = ModelConfig {
            input: self.input,
            classes: self.classes,
            head: self.variant.head.clone(),
            width: self.variant.model.width(),
        };
        models::build(self.variant.model.architecture().name, &config, parameters.builder())
    }

    pub fn fit_config(&self) -> FitConfig {
        FitConfig {
            epochs: self.epochs,
            seed: self.seed,
            lr: self.variant.lr,
            schedule: self.schedule,
            optimizer: self.optimizer.clone(),
        }
    }

    pub fn steps(&self) -> u64 {
        (self.epochs * self.train_size.div_ceil(self.batch_size)) as u64
    }

    /// `DATASET.MODEL.HEAD.seedN.HASH`, of characters that every file system takes; the beginning of the configuration's
    /// hash keeps apart what the rest does not.
    pub fn file_stem(&self) -> String {
        let (Variant { model, head, .. }, hash) = (&self.variant, &self.hash()[..8]);
        let name = format!("{}.{model}.{head}.seed{}.{hash}", self.dataset, self.seed);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._@+".contains(c);
        name.trim_start_matches(['.', '/']).chars().map(|c| if allowed(c) { c } else { '_' }).collect()
    }

    pub fn device(&self) -> Result<Device> {
        match self.device {
            DeviceKind::Cpu => Ok(Device::Cpu),
            DeviceKind::Cuda => Ok(Device::new_cuda(0)?),
            DeviceKind::Metal => Ok(Device::new_metal(0)?),
        }
    }
}

impl std::fmt::Display for RunConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {} {} seed {}", self.dataset, self.variant.model, self.variant.head, self.seed)
    }
}

pub struct Plan {
    /// Seed by seed, so that what an interrupted sweep leaves is a comparison already.
    pub runs: Vec<RunConfig>,
}

impl Plan {
    /// # Errors
    /// [`Misuse`] for what cannot be built: an input too small for a network, a device the program was built without.
    pub fn new(suite: &Suite, data: &Data) -> Result<Self> {
        let (device, built_in) = (suite.device, [cfg!(feature = "cuda"), cfg!(feature = "metal")]);
        if (device == DeviceKind::Cuda && !built_in[0]) || (device == DeviceKind::Metal && !built_in[1]) {
            let message = format!("no {device} in this build: cargo run -p experiments --features {device} -- …");
            return Err(Misuse::new(message).into());
        }
        let mut runs = Vec::new();
        for seed in suite.first_seed..suite.first_seed + suite.seeds as u64 {
            runs.extend(suite.variants.iter().enumerate().map(|(order, variant)| RunConfig {
                dataset: data.name.clone(),
                data_fingerprint: data.fingerprint.clone(),
                variant: variant.clone(),
                order,
                seed,
                epochs: suite.epochs,
                batch_size: suite.batch_size,
                train_size: data.train.len(),
                validation: data.validation.as_ref().map_or(0, |images| images.len()),
                schedule: suite.schedule,
                optimizer: suite.optimizer.clone(),
                device: suite.device,
                input: data.train.shape,
                classes: data.classes,
            }));
        }
        for run in &runs[..suite.variants.len()] {
            check(run)
                .map_err(|error| Misuse::from(error.context(format!("{} {}", run.variant.model, run.variant.head))))?;
        }
        Ok(Self { runs })
    }

    /// Equal for equal runs by an equal version of the program.
    pub fn hash(&self) -> String {
        let entries: Vec<_> = self.runs.iter().map(RunConfig::entries).collect();
        digest(&json!([env!("CARGO_PKG_VERSION"), entries]))
    }

    /// The runs of this part, or all.
    pub fn of_shard(&self, shard: Option<Shard>) -> impl Iterator<Item = &RunConfig> {
        let shard = shard.unwrap_or(Shard { index: 1, count: 1 });
        self.runs.iter().skip(shard.index - 1).step_by(shard.count)
    }

    /// One run of each variant.
    pub fn variants(&self) -> impl Iterator<Item = &RunConfig> {
        let first = self.runs.first().map(|run| run.seed);
        self.runs.iter().filter(move |run| Some(run.seed) == first)
    }
}

fn check(run: &RunConfig) -> Result<()> {
    let parameters = Parameters::seeded(run.seed, &Device::Cpu);
    let description = run.build(&parameters)?.describe(&run.input)?;
    if description.output != [run.classes] {
        bail!("the network gives {:?}, not {} logits", description.output, run.classes)
    }
    training::Optimizer::new(&run.optimizer, &parameters)?;
    check_memory(&description, run.batch_size.min(run.train_size))
}

/// Of one batch: 8 GiB of f32.
const MOST_ACTIVATIONS: usize = 1 << 31;

/// Whether training on so many images at once, and inference on [`INFER_BATCH`], can be thought to fit into memory.
pub fn check_memory(network: &Description, train_batch: usize) -> Result<()> {
    let activations = network.activations();
    let largest = activations.iter().max().copied().unwrap_or_default();
    // In inference a layer's output lives until the next one's is there.
    let values = train_batch.saturating_mul(activations.iter().sum()).max(INFER_BATCH * 2 * largest);
    if values > MOST_ACTIVATIONS {
        bail!(
            "a batch would need {values} values in memory, more than {MOST_ACTIVATIONS}: smaller batches, images or widths"
        )
    }
    Ok(())
}

fn digest(value: &Value) -> String {
    hex(&Sha256::digest(value.to_string()))[..16].into()
}
