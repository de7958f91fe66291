//! The TOML file of a suite.

use std::{fmt::Display, path::Path, str::FromStr};

use anyhow::{Context, Result, bail, ensure};
use datasets::{Augmentation, Canvas, DatasetId, Shape};
use heads::HeadConfig;
use models::ModelName;
use records::Rates;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny},
};
use training::{DeviceKind, Length, OptimizerConfig, Schedule};

use super::{
    definition::{Suite, Variant},
    outline::Outline,
};
use crate::{
    limits::{MAX_EPOCHS, MAX_IMAGES, MAX_SEEDS, MAX_SIDE, MAX_UPDATES},
    measures,
    misuse::Misuse,
};

/// The keys of a suite's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    dataset: Option<Parsed<DatasetId>>,
    datasets: Option<Vec<Parsed<DatasetId>>>,
    input: Option<Parsed<Shape>>,
    inputs: Option<Vec<usize>>,
    canvas: Option<Canvas>,
    train_size: Option<usize>,
    train_sizes: Option<Vec<usize>>,
    seeds: usize,
    epochs: Option<usize>,
    updates: Option<u64>,
    batch_size: usize,
    #[serde(default)]
    validation: usize,
    schedule: Schedule,
    optimizer: OptimizerConfig,
    lr: f64,
    #[serde(default)]
    lr_grid: Vec<f64>,
    #[serde(default = "default_tuning_seeds")]
    tuning_seeds: usize,
    rates: Option<String>,
    measure: Option<String>,
    variants: Vec<VariantBlock>,
    // The outline is read on its own, also where the rest of the file is not needed.
    #[serde(default, rename = "remarks")]
    _remarks: IgnoredAny,
    #[serde(default, rename = "comparisons")]
    _comparisons: IgnoredAny,
    #[serde(default, rename = "claims")]
    _claims: IgnoredAny,
    #[serde(default, rename = "plots")]
    _plots: IgnoredAny,
    #[serde(default, rename = "publish")]
    _publish: IgnoredAny,
}

pub(super) fn default_tuning_seeds() -> usize {
    2
}

/// A block `[[variants]]`: every model with every head, and the options of all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantBlock {
    model: Option<ModelName>,
    models: Option<Vec<ModelName>>,
    heads: Vec<HeadEntry>,
    #[serde(default)]
    datasets: Vec<Parsed<DatasetId>>,
    setting: Option<String>,
    seeds: Option<usize>,
    epochs: Option<usize>,
    updates: Option<u64>,
    #[serde(default)]
    augment: Augmentation,
    /// The learning rate of the whole block, which is not tuned.
    lr: Option<f64>,
}

/// A head in a block, possibly with its own learning rate. The head is text rather than a [`HeadConfig`], so that the error
/// for a mistake lists the heads instead of "no variant matched".
#[derive(Deserialize)]
#[serde(untagged)]
enum HeadEntry {
    Name(String),
    WithRate(HeadWithRate),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadWithRate {
    head: String,
    lr: f64,
}

/// A value that is written as a string and parsed by its `FromStr`.
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(de::Error::custom)
    }
}

/// Parses a suite's file. `rates` reads the file of the given name in the same folder.
///
/// # Errors
/// [`Misuse`] that names the file and the mistake.
pub fn parse(path: &Path, text: &str, rates: impl Fn(&str) -> Result<String>) -> Result<Suite> {
    parse_file(path, text, rates).map_err(|error| Misuse::from(error.context(path.display().to_string())).into())
}

fn parse_file(path: &Path, text: &str, read_rates: impl Fn(&str) -> Result<String>) -> Result<Suite> {
    let file: File = toml::from_str(text)?;
    let datasets = one_or_more(["dataset", "datasets"], file.dataset, file.datasets)?;
    let datasets: Vec<DatasetId> =
        datasets.context("the suite has no `dataset`")?.into_iter().map(|Parsed(id)| id).collect();
    each_once("datasets", datasets.iter().map(name_in_tables))?;
    let train_sizes = one_or_more(["train_size", "train_sizes"], file.train_size, file.train_sizes)?;
    each_once("train_sizes", train_sizes.iter().flatten())?;
    let length = length_of(file.epochs, file.updates)?
        .context("the length of training must be set by `epochs` or by `updates`")?;
    let canvases = match (file.canvas, file.inputs) {
        (Some(_), Some(_)) => bail!("images can be resized to `inputs` or placed on a `canvas`, but not both"),
        (canvas, None) => vec![canvas],
        (None, Some(sizes)) => {
            in_range("inputs", sizes.iter().copied(), 1, MAX_SIDE)?;
            each_once("inputs", &sizes)?;
            sizes.into_iter().map(|size| Some(Canvas::Resized { size })).collect()
        }
    };
    let mut variants = Vec::new();
    for block in file.variants {
        block.augment.check()?;
        add_variants(&mut variants, block, &datasets, file.lr)?;
    }
    ensure!(!variants.is_empty(), "the suite has no variants");
    ensure!(!canvases.is_empty(), "`inputs` is empty");

    in_range(
        "seeds",
        [file.seeds].into_iter().chain(variants.iter().filter_map(|variant| variant.seeds)),
        1,
        MAX_SEEDS,
    )?;
    in_range("tuning_seeds", [file.tuning_seeds], 1, MAX_SEEDS)?;
    in_range("batch_size", [file.batch_size], 1, MAX_IMAGES)?;
    in_range("train_size", train_sizes.iter().flatten().copied(), 1, MAX_IMAGES)?;
    for lr in variants.iter().map(|variant| variant.lr).chain([file.lr]).chain(file.lr_grid.iter().copied()) {
        ensure!(lr.is_finite() && lr > 0., "lr = {lr}, but it must be a number above 0");
    }
    each_once("lr_grid", &file.lr_grid)?;
    file.schedule.check()?;
    let measure = file.measure.map(|name| measures::find(&name).map_err(anyhow::Error::msg)).transpose()?;
    if let Some(measure) = measure {
        ensure!(length != Length::Epochs(0), "a `measure` needs trained networks, not 0 epochs");
        canvases.iter().try_for_each(|canvas| measure.check_images(*canvas, file.validation > 0))?;
    }
    Outline::parse(text)?;
    Ok(Suite {
        name: stem(path),
        question: file.question,
        datasets,
        input: file.input.map(|Parsed(shape)| shape),
        canvases,
        train_sizes: train_sizes.map_or(vec![None], |sizes| sizes.into_iter().map(Some).collect()),
        first_seed: 0,
        seeds: file.seeds,
        length,
        batch_size: file.batch_size,
        validation: file.validation,
        schedule: file.schedule,
        optimizer: file.optimizer,
        device: DeviceKind::Cpu,
        init: None,
        variants,
        lr: file.lr,
        lr_grid: file.lr_grid,
        tuning_seeds: file.tuning_seeds,
        rates: match file.rates {
            Some(name) => Rates::parse(&read_rates(&name)?).context(name)?,
            None => Rates::default(),
        },
        measure,
        text: text.into(),
    })
}

fn add_variants(variants: &mut Vec<Variant>, block: VariantBlock, datasets: &[DatasetId], lr: f64) -> Result<()> {
    let models =
        one_or_more(["model", "models"], block.model, block.models)?.context("a block of variants has no `model`")?;
    let only: Vec<DatasetId> = block.datasets.into_iter().map(|Parsed(id)| id).collect();
    if let Some(id) = only.iter().find(|id| !datasets.contains(id)) {
        bail!("a block of variants is for the data set {id}, which is not among the suite's `datasets`")
    }
    let length = length_of(block.epochs, block.updates)?;
    ensure!(length != Some(Length::Epochs(0)), "only a whole suite can have 0 epochs");
    for model in models {
        for head in &block.heads {
            let (head, own_lr) = match head {
                HeadEntry::Name(head) => (head, None),
                HeadEntry::WithRate(HeadWithRate { head, lr }) => (head, Some(*lr)),
            };
            let head: HeadConfig = head.parse()?;
            ensure!(
                block.lr.is_none() || own_lr.is_none(),
                "{model} with {head} has its own `lr` and that of its block"
            );
            let variant = Variant {
                model,
                head,
                setting: block.setting.clone(),
                datasets: only.clone(),
                seeds: block.seeds,
                length,
                augmentation: block.augment,
                lr: block.lr.or(own_lr).unwrap_or(lr),
                fixed_lr: block.lr.is_some(),
            };
            let same = |other: &&Variant| {
                (other.model, &other.head, &other.setting) == (variant.model, &variant.head, &variant.setting)
                    && datasets.iter().any(|id| other.is_for(id) && variant.is_for(id))
            };
            if let Some(Variant { model, head, .. }) = variants.iter().find(same) {
                bail!("{model} with {head} occurs twice: give each a different `setting`")
            }
            variants.push(variant);
        }
    }
    Ok(())
}

/// The length of training that is given by one of two keys.
pub(super) fn length_of(epochs: Option<usize>, updates: Option<u64>) -> Result<Option<Length>> {
    in_range("epochs", epochs, 0, MAX_EPOCHS)?;
    in_range("updates", updates.map(|updates| updates as usize), 1, MAX_UPDATES)?;
    match (epochs, updates) {
        (Some(_), Some(_)) => bail!("`epochs` and `updates` exclude each other"),
        (Some(epochs), None) => Ok(Some(Length::Epochs(epochs))),
        (None, updates) => Ok(updates.map(Length::Updates)),
    }
}

/// The values given by one of two keys, the singular or the plural.
fn one_or_more<T>(keys: [&str; 2], one: Option<T>, more: Option<Vec<T>>) -> Result<Option<Vec<T>>> {
    match (one, more) {
        (Some(_), Some(_)) => bail!("`{}` and `{}` exclude each other", keys[0], keys[1]),
        (_, Some(more)) if more.is_empty() => bail!("`{}` is empty", keys[1]),
        (one, more) => Ok(more.or(one.map(|one| vec![one]))),
    }
}

/// Checks that no value occurs twice: the runs of both would overwrite each other.
pub(super) fn each_once<T: Display + PartialEq>(key: &str, values: impl IntoIterator<Item = T>) -> Result<()> {
    let mut seen = Vec::new();
    for value in values {
        ensure!(!seen.contains(&value), "{value} occurs twice in `{key}`, but each value must be given once");
        seen.push(value);
    }
    Ok(())
}

/// The name of a data set in tables, in which a folder stands without the path that leads to it.
fn name_in_tables(id: &DatasetId) -> String {
    match id {
        DatasetId::Folder(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        id => id.to_string(),
    }
}

pub(super) fn in_range(key: &str, values: impl IntoIterator<Item = usize>, least: usize, most: usize) -> Result<()> {
    for value in values {
        ensure!(
            (least..=most).contains(&value),
            "{key} = {value}, but it must be a whole number from {least} to {most}"
        );
    }
    Ok(())
}

pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
