//! Suites that train on protein–drug pairs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use datasets::DatasetId;
use heads::HeadConfig;
use models::{DEEP_CONV_DTI, DeepConvDtiConfig, Preset};
use records::{Rates, distinct};
use serde::{Deserialize, de::IgnoredAny};
use toml::{Table, Value};
use training::{DeviceKind, Length, OptimizerConfig, Schedule};

use super::{
    changes::Changes,
    file::{default_tuning_seeds, each_once, in_range, length_of, stem},
    outline::Outline,
};
use crate::{
    limits::{MAX_IMAGES, MAX_SEEDS},
    misuse::Misuse,
    pair_data::{PLANTED_MOTIFS, PairData, Planted},
};

/// The largest number of positions of a sequence, and the largest window, number of filters and width of a layer, so that a
/// typing error does not exhaust the memory. They are well above the paper's.
const MAX_POSITIONS: usize = 10_000;
const MAX_WIDTH: usize = 1024;

/// A suite whose networks tell whether a drug binds a protein. A run is one variant with one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct PairSuite {
    /// The file's name without `.toml`, which is also the name of the suite's folder of results.
    pub name: String,
    pub question: String,
    /// The generator of the pairs, unless they are read from a folder.
    pub planted: Planted,
    /// The folder that the pairs are read from, in the layout of the authors of DeepConv-DTI.
    pub folder: Option<PathBuf>,
    /// The number of positions that synthetic sequences are padded to; those of a folder are padded as in the paper.
    pub positions: usize,
    /// The number of training pairs; `None` takes all of a folder.
    pub train_size: Option<usize>,
    /// The number of synthetic validation pairs.
    pub validation: usize,
    pub first_seed: u64,
    /// The number of seeds.
    pub seeds: usize,
    pub length: Length,
    pub batch_size: usize,
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub device: DeviceKind,
    pub variants: Vec<PairVariant>,
    /// The learning rates that `--tune` tries.
    pub lr_grid: Vec<f64>,
    /// The number of seeds for each learning rate that `--tune` tries.
    pub tuning_seeds: usize,
    /// The learning rates that `--tune` chose. They take precedence over a variant's own.
    pub rates: Rates,
    /// The text of the suite's file.
    pub text: String,
}

/// A network for pairs with the options that a suite's file sets.
#[derive(Clone, Debug, PartialEq)]
pub struct PairVariant {
    /// The name of the configuration that the options change.
    pub model: &'static str,
    /// The configuration of the network but for the number of positions.
    pub config: DeepConvDtiConfig,
    /// A label that distinguishes variants with the same model and head.
    pub setting: Option<String>,
    /// The number of seeds, if fewer than the suite's.
    pub seeds: Option<usize>,
    pub lr: f64,
    /// True if the learning rate is given: neither `--tune` nor its earlier results change it then.
    pub fixed_lr: bool,
}

/// The keys of a suite's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    dataset: String,
    planted: Planted,
    positions: usize,
    train_size: usize,
    #[serde(default)]
    validation: usize,
    seeds: usize,
    epochs: Option<usize>,
    updates: Option<u64>,
    batch_size: usize,
    schedule: Schedule,
    optimizer: OptimizerConfig,
    lr: f64,
    #[serde(default)]
    lr_grid: Vec<f64>,
    #[serde(default = "default_tuning_seeds")]
    tuning_seeds: usize,
    rates: Option<String>,
    variants: Vec<Block>,
    // The outline is read on its own.
    #[serde(default, rename = "remarks")]
    _remarks: IgnoredAny,
    #[serde(default, rename = "comparisons")]
    _comparisons: IgnoredAny,
    #[serde(default, rename = "claims")]
    _claims: IgnoredAny,
    #[serde(default, rename = "plots")]
    _plots: IgnoredAny,
}

/// A block `[[variants]]`: a network with several heads, and its options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    model: String,
    heads: Vec<String>,
    setting: Option<String>,
    seeds: Option<usize>,
    lr: Option<f64>,
    #[serde(default)]
    network: Table,
}

/// Returns whether the text of a suite's file is that of a suite of pairs: whether it has a network for pairs.
pub(super) fn is_of_pairs(text: &str) -> bool {
    let table: Table = toml::from_str(text).unwrap_or_default();
    let blocks = table.get("variants").and_then(Value::as_array).into_iter().flatten();
    let mut models = blocks.filter_map(|block| block.get("model").and_then(Value::as_str));
    models.any(|model| preset(model).is_some())
}

/// The configuration of this name.
pub(super) fn preset(name: &str) -> Option<&'static Preset> {
    DEEP_CONV_DTI.iter().find(|preset| preset.name == name)
}

/// Parses a suite's file. `read_rates` reads the file of the given name in the same folder.
pub(super) fn parse_pairs(path: &Path, text: &str, read_rates: impl Fn(&str) -> Result<String>) -> Result<PairSuite> {
    let file: File = toml::from_str(text)?;
    ensure!(file.dataset == PLANTED_MOTIFS, "the data set is {}; pairs come from {PLANTED_MOTIFS}", file.dataset);
    let length = length_of(file.epochs, file.updates)?;
    let length = length.context("the length of training must be set by `epochs` or by `updates`")?;
    let variants = file.variants.into_iter().map(|block| block.variants(file.lr)).collect::<Result<Vec<_>>>()?.concat();
    ensure!(!variants.is_empty(), "the suite has no variants");
    for (index, variant) in variants.iter().enumerate() {
        let PairVariant { model, config, setting, .. } = variant;
        let key = |variant: &PairVariant| (variant.model, variant.config.head.clone(), variant.setting.clone());
        if variants[..index].iter().any(|other| key(other) == key(variant)) {
            let setting = setting.as_deref().unwrap_or("none");
            bail!(
                "{model} with {} occurs twice with the setting {setting}: give each a different `setting`",
                config.head
            )
        }
    }
    let seeds = [file.seeds].into_iter().chain(variants.iter().filter_map(|variant| variant.seeds));
    in_range("seeds", seeds, 1, MAX_SEEDS)?;
    in_range("tuning_seeds", [file.tuning_seeds], 1, MAX_SEEDS)?;
    in_range("positions", [file.positions], 1, MAX_POSITIONS)?;
    in_range("batch_size", [file.batch_size], 1, MAX_IMAGES)?;
    in_range("train_size", [file.train_size], 1, MAX_IMAGES)?;
    for lr in variants.iter().map(|variant| variant.lr).chain(file.lr_grid.iter().copied()) {
        ensure!(lr.is_finite() && lr > 0., "lr = {lr}, but it must be a number above 0");
    }
    each_once("lr_grid", &file.lr_grid)?;
    file.schedule.check()?;
    Outline::parse(text)?;
    Ok(PairSuite {
        name: stem(path),
        question: file.question,
        planted: file.planted,
        folder: None,
        positions: file.positions,
        train_size: Some(file.train_size),
        validation: file.validation,
        first_seed: 0,
        seeds: file.seeds,
        length,
        batch_size: file.batch_size,
        schedule: file.schedule,
        optimizer: file.optimizer,
        device: DeviceKind::Cpu,
        variants,
        lr_grid: file.lr_grid,
        tuning_seeds: file.tuning_seeds,
        rates: match file.rates {
            Some(name) => Rates::parse(&read_rates(&name)?).context(name)?,
            None => Rates::default(),
        },
        text: text.into(),
    })
}

impl Block {
    fn variants(self, lr: f64) -> Result<Vec<PairVariant>> {
        let names = || DEEP_CONV_DTI.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        let preset = preset(&self.model)
            .with_context(|| format!("the model is {}; the models for pairs are {}", self.model, names()))?;
        let mut options = Table::try_from((preset.config)())?;
        if let Some(key) = self.network.keys().find(|key| *key == "head" || *key == "length") {
            bail!("`{key}` is no option of `network`; `heads` and `positions` set it")
        }
        options.extend(self.network);
        let config: DeepConvDtiConfig = options.try_into().context("network")?;
        let DeepConvDtiConfig { windows, filters, protein_layers, drug_layers, joint_layers, .. } = &config;
        let sizes = [windows, protein_layers, drug_layers, joint_layers].into_iter().flatten().chain([filters]);
        in_range("a size of `network`", sizes.copied(), 1, MAX_WIDTH)?;
        let variant = |head: &String| -> Result<PairVariant> {
            let config = DeepConvDtiConfig { head: head.parse()?, ..config.clone() };
            let (setting, fixed_lr) = (self.setting.clone(), self.lr.is_some());
            Ok(PairVariant {
                model: preset.name,
                config,
                setting,
                seeds: self.seeds,
                lr: self.lr.unwrap_or(lr),
                fixed_lr,
            })
        };
        self.heads.iter().map(variant).collect()
    }
}

impl PairSuite {
    /// Applies the options of the command line. The pairs are read from `data_dir`, if it is given.
    ///
    /// # Errors
    /// Options that are for images, and two folders of pairs.
    pub fn with(&self, changes: &Changes, data_dir: Option<&Path>) -> Result<Self, Misuse> {
        let for_images = [
            // The weights that it names choose models, too.
            ("--init", changes.init.is_some()),
            ("--input", changes.input.is_some()),
            ("--models", changes.models.is_some()),
        ];
        if let Some((option, _)) = for_images.into_iter().find(|(_, is_given)| *is_given) {
            return Err(Misuse::new(format!(
                "{option} is for networks of images, but the suite {} is of pairs",
                self.name
            )));
        }
        let mut suite = self.clone();
        let folder = match (&changes.dataset, data_dir) {
            (None, data_dir) => data_dir,
            (Some(DatasetId::Folder(folder)), None) => Some(folder.as_path()),
            (Some(DatasetId::Folder(folder)), Some(data_dir)) => {
                let (folder, data_dir) = (folder.display(), data_dir.display());
                return Err(Misuse::new(format!(
                    "--dataset {folder} and --data-dir {data_dir} both name the folder of the pairs; give one of them"
                )));
            }
            (Some(id), _) => {
                let message = format!(
                    "{id} has images, but the suite {} is of protein–drug pairs; --data-dir names them",
                    self.name
                );
                return Err(Misuse::new(message));
            }
        };
        // A folder is taken as a whole, whatever number of synthetic pairs the suite trains on.
        if let Some(folder) = folder {
            (suite.folder, suite.train_size) = (Some(folder.into()), None);
        }
        suite.train_size = changes.train_size.or(suite.train_size);
        suite.seeds = changes.seeds.unwrap_or(suite.seeds);
        suite.first_seed = changes.first_seed;
        suite.length = changes.length.unwrap_or(suite.length);
        suite.batch_size = changes.batch_size.unwrap_or(suite.batch_size);
        suite.device = changes.device;
        if let Some(heads) = &changes.heads {
            suite.variants = self.choose(heads);
        }
        if let Some(lr) = changes.lr {
            suite.variants.iter_mut().for_each(|variant| (variant.lr, variant.fixed_lr) = (lr, true));
        }
        Ok(suite)
    }

    /// The variants with these heads. One that the suite does not have takes the options of the first variant of each setting.
    fn choose(&self, heads: &[HeadConfig]) -> Vec<PairVariant> {
        let mut chosen = Vec::new();
        for setting in distinct(self.variants.iter().map(|variant| variant.setting.clone())) {
            let of_setting: Vec<&PairVariant> =
                self.variants.iter().filter(|variant| variant.setting == setting).collect();
            for head in heads {
                let mut variant = of_setting[0].clone();
                if let Some(known) = of_setting.iter().find(|variant| variant.config.head == *head) {
                    variant = (*known).clone();
                }
                variant.config.head = head.clone();
                chosen.push(variant);
            }
        }
        distinct(chosen)
    }

    /// Loads the pairs.
    ///
    /// # Errors
    /// [`Misuse`] for impossible numbers; otherwise, mistakes in the files.
    pub fn load(&self, skip_unknown: bool) -> Result<PairData> {
        match (&self.folder, self.train_size) {
            (Some(folder), size) => {
                let length = DeepConvDtiConfig::default().length;
                PairData::read(folder, size, length, skip_unknown, "change `--train-size`")
            }
            (None, size) => Ok(self.planted.pairs(size.unwrap_or_default(), self.validation, self.positions)?),
        }
    }

    /// Returns whether the suite's networks are trained, not only counted and timed.
    pub fn trains(&self) -> bool {
        self.length != Length::Epochs(0)
    }
}
