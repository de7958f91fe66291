//! The runs of a sweep, each checked before anything trains.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, bail};
use candle_core::Device;
use datasets::Canvas;
use heads::HeadConfig;
use layers::{Description, Layer};
use models::{Classifier, ModelConfig, ModelName};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use training::{FitConfig, Length, OptimizerConfig, Parameters, Schedule};

use crate::{
    bench::{INFER_BATCH, TRAIN_BATCH},
    cli::{DeviceKind, Shape, Shard},
    data::{Data, hex},
    measures::Measure,
    misuse::Misuse,
    suite::Suite,
};

/// All that decides what one run gives.
#[derive(Clone, Debug)]
pub struct RunConfig {
    pub data: Arc<Data>,
    pub model: ModelName,
    pub head: HeadConfig,
    /// See [`Variant`](crate::suite::Variant).
    pub setting: Option<String>,
    pub lr: f64,
    /// The suite brings rates that were chosen, and none for this.
    pub lacks_rate: bool,
    /// The place in the plan of all that it shares with the runs of other seeds: tables keep this order.
    pub order: usize,
    pub seed: u64,
    pub length: Length,
    pub batch_size: usize,
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub device: DeviceKind,
    pub measure: Option<Measure>,
    /// What of its data other runs of the plan have otherwise, for messages.
    differs: String,
}

impl RunConfig {
    /// As it stands in the record: flat, strings and numbers.
    pub fn entries(&self) -> BTreeMap<String, Value> {
        let data = &self.data;
        let length = match self.length {
            Length::Epochs(epochs) => ("epochs", json!(epochs)),
            Length::Updates(updates) => ("updates", json!(updates)),
        };
        let entries = [
            ("dataset", json!(data.name)),
            ("data_fingerprint", json!(data.fingerprint)),
            ("model", json!(self.model.to_string())),
            ("head", json!(self.head.to_string())),
            ("seed", json!(self.seed)),
            length,
            ("batch_size", json!(self.batch_size)),
            ("lr", json!(self.lr)),
            ("train_size", json!(data.train.len())),
            ("validation", json!(data.validation.as_ref().map_or(0, |images| images.len()))),
            ("schedule", json!(self.schedule.to_string())),
            ("optimizer", json!(self.optimizer.to_string())),
            ("device", json!(self.device.to_string())),
            ("input", json!(Shape(self.input()).to_string())),
            ("classes", json!(data.classes)),
        ];
        // What few suites have is left out by the others.
        let more = [
            ("setting", self.setting.clone()),
            ("canvas", data.canvas.map(words)),
            ("measure", self.measure.map(|measure| measure.to_string())),
        ];
        let more = more.into_iter().filter_map(|(key, value)| Some((key, json!(value?))));
        entries.into_iter().chain(more).map(|(key, value)| (key.to_string(), value)).collect()
    }

    /// Of everything but the seed.
    pub fn hash(&self) -> String {
        let mut entries = self.entries();
        entries.remove("seed");
        digest(&json!(entries))
    }

    /// (C, H, W)
    pub fn input(&self) -> [usize; 3] {
        self.data.train.shape
    }

    pub fn build(&self, parameters: &Parameters) -> candle_core::Result<Classifier> {
        let config = ModelConfig {
            input: self.input(),
            classes: self.data.classes,
            head: self.head.clone(),
            width: self.model.width(),
        };
        models::build(self.model.architecture().name, &config, parameters.builder())
    }

    pub fn fit_config(&self) -> FitConfig {
        FitConfig {
            length: self.length,
            seed: self.seed,
            lr: self.lr,
            schedule: self.schedule,
            optimizer: self.optimizer.clone(),
        }
    }

    fn batches(&self) -> u64 {
        self.data.train.len().div_ceil(self.batch_size) as u64
    }

    pub fn steps(&self) -> u64 {
        self.length.updates(self.batches()).unwrap_or(u64::MAX)
    }

    /// The last one may be cut short.
    pub fn epochs(&self) -> usize {
        self.steps().div_ceil(self.batches().max(1)) as usize
    }

    /// `DATASET.MODEL.HEAD.seedN.HASH`; the beginning of the configuration's hash keeps apart what the rest does not.
    pub fn file_stem(&self) -> String {
        let Self { model, head, seed, .. } = self;
        file_name(&format!("{}.{model}.{head}.seed{seed}.{}", self.data.name, &self.hash()[..8]))
    }

    /// All but the seed, as messages name it.
    pub fn title(&self) -> String {
        let setting = self.setting.as_ref().map_or(String::new(), |setting| format!(", {setting}"));
        format!("{} {} {}{}{setting}", self.data.name, self.model, self.head, self.differs)
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
        write!(f, "{} seed {}", self.title(), self.seed)
    }
}

fn words(canvas: Canvas) -> String {
    match canvas {
        Canvas::Resized { size } => format!("resized(size={size})"),
        Canvas::Centred { size } => format!("centred(size={size})"),
        Canvas::Scattered { size, clutter } => format!("scattered(size={size}, clutter={clutter})"),
    }
}

pub struct Plan {
    /// Seed by seed, so that what an interrupted sweep leaves is a comparison already.
    pub runs: Vec<RunConfig>,
}

impl Plan {
    /// # Errors
    /// [`Misuse`] for what cannot be built: an input too small for a network, a device the program was built without.
    pub fn new(suite: &Suite, data: &[Arc<Data>]) -> Result<Self> {
        let (device, built_in) = (suite.device, [cfg!(feature = "cuda"), cfg!(feature = "metal")]);
        if (device == DeviceKind::Cuda && !built_in[0]) || (device == DeviceKind::Metal && !built_in[1]) {
            let message = format!("no {device} in this build: cargo run -p experiments --features {device} -- …");
            return Err(Misuse::new(message).into());
        }
        let of_one_seed = runs_of_one_seed(suite, data);
        if of_one_seed.is_empty() {
            let names: Vec<String> = suite.datasets.iter().map(ToString::to_string).collect();
            return Err(Misuse::new(format!("the suite has no variants on {}", names.join(", "))).into());
        }
        for (run, _) in &of_one_seed {
            check(run, suite.trains())
                .map_err(|error| Misuse::from(error.context(format!("{} {}{}", run.model, run.head, run.differs))))?;
        }
        let seeds = (0..suite.seeds).flat_map(|seed| {
            let of_seed = of_one_seed.iter().filter(move |(_, seeds)| seed < *seeds);
            of_seed.map(move |(run, _)| RunConfig { seed: suite.first_seed + seed as u64, ..run.clone() })
        });
        Ok(Self { runs: seeds.collect() })
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

    /// Those of the first seed, which all variants have.
    pub fn variants(&self) -> impl Iterator<Item = &RunConfig> {
        let first = self.runs.first().map(|run| run.seed);
        self.runs.iter().filter(move |run| Some(run.seed) == first)
    }
}

/// Every variant on all its data, each with its number of seeds.
fn runs_of_one_seed(suite: &Suite, data: &[Arc<Data>]) -> Vec<(RunConfig, usize)> {
    let several = |of: fn(&Data) -> String| data.iter().any(|other| of(other) != of(&data[0]));
    let sizes: [fn(&Data) -> String; 2] =
        [|data| Shape(data.train.shape).to_string(), |data| format!("{} images", data.train.len())];
    // Data sets have sizes of their own, and go by their names.
    let sizes = sizes.into_iter().filter(|&of| several(of) && !several(|data| data.name.clone()));
    let sizes: Vec<fn(&Data) -> String> = sizes.collect();
    let mut runs = Vec::new();
    for data in data {
        let differs: String = sizes.iter().map(|of| format!(", {}", of(data))).collect();
        for variant in suite.variants.iter().filter(|variant| variant.is_for(&data.id)) {
            let (model, head) = (variant.model.to_string(), variant.head.to_string());
            let input = Shape(data.train.shape).to_string();
            let chosen = suite.rates.find(&data.name, &model, &head, &input, data.train.len());
            let run = RunConfig {
                data: data.clone(),
                model: variant.model,
                head: variant.head.clone(),
                setting: variant.setting.clone(),
                lr: chosen.filter(|_| !variant.fixed_lr).unwrap_or(variant.lr),
                lacks_rate: chosen.is_none() && !variant.fixed_lr && !suite.rates.is_empty(),
                order: runs.len(),
                seed: suite.first_seed,
                length: suite.length,
                batch_size: suite.batch_size,
                schedule: suite.schedule,
                optimizer: suite.optimizer.clone(),
                device: suite.device,
                measure: suite.measure,
                differs: differs.clone(),
            };
            runs.push((run, variant.seeds.map_or(suite.seeds, |seeds| seeds.min(suite.seeds))));
        }
    }
    runs
}

fn check(run: &RunConfig, trains: bool) -> Result<()> {
    let parameters = Parameters::seeded(run.seed, &Device::Cpu);
    let description = run.build(&parameters)?.describe(&run.input())?;
    if description.output != [run.data.classes] {
        bail!("the network gives {:?}, not {} logits", description.output, run.data.classes)
    }
    training::Optimizer::new(&run.optimizer, &parameters)?;
    check_memory(&description, if trains { run.batch_size.min(run.data.train.len()) } else { TRAIN_BATCH })
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

/// Of characters that every file system takes.
pub fn file_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._@+".contains(c);
    name.trim_start_matches(['.', '/']).chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

fn digest(value: &Value) -> String {
    hex(&Sha256::digest(value.to_string()))[..16].into()
}
