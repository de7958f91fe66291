//! The file of a suite.

use std::{path::Path, str::FromStr};

use anyhow::{Context, Result, bail, ensure};
use datasets::{Canvas, DatasetId};
use heads::HeadConfig;
use include_dir::{Dir, include_dir};
use models::ModelName;
use serde::{Deserialize, Deserializer, de};
use training::{Length, OptimizerConfig, Schedule};

use super::{Rates, Suite, Variant};
use crate::{
    cli::{DeviceKind, LONGEST_SIDE, MOST_EPOCHS, MOST_IMAGES, MOST_SEEDS, MOST_UPDATES, Shape},
    distinct::distinct,
    measures::Measure,
    misuse::Misuse,
    render::PlotSpec,
    statistics::{self, Claim, Comparison},
};

pub(super) static SUITES: Dir = include_dir!("$CARGO_MANIFEST_DIR/suites");

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
    #[serde(default = "two")]
    tuning_seeds: usize,
    rates: Option<String>,
    measure: Option<Measure>,
    variants: Vec<Block>,
    #[serde(default)]
    comparisons: Vec<Comparison>,
    #[serde(default)]
    claims: Vec<Claim>,
    #[serde(default)]
    plots: Vec<PlotSpec>,
}

fn two() -> usize {
    2
}

/// What is made of the records: all that `report` has to know of a suite.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Outline {
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    #[serde(default)]
    pub claims: Vec<Claim>,
    #[serde(default)]
    pub plots: Vec<PlotSpec>,
}

/// Variants that have all but the head in common.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    model: Option<ModelName>,
    models: Option<Vec<ModelName>>,
    heads: Vec<FileHead>,
    #[serde(default)]
    datasets: Vec<Parsed<DatasetId>>,
    setting: Option<String>,
    seeds: Option<usize>,
    /// Of all of them, and not to be tuned.
    lr: Option<f64>,
}

/// Text, not [`HeadConfig`], so that a mistake in it is answered with what is possible rather than with "no variant
/// matched".
#[derive(Deserialize)]
#[serde(untagged)]
enum FileHead {
    Plain(String),
    Tuned(Tuned),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tuned {
    head: String,
    lr: f64,
}

/// What is written as text.
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(de::Error::custom)
    }
}

/// All suites that are part of the program.
pub fn embedded() -> Result<Vec<Suite>> {
    embedded_files().map(read_embedded).collect()
}

/// Beside them lie the rates that tuning chose.
fn embedded_files() -> impl Iterator<Item = &'static include_dir::File<'static>> {
    SUITES.files().filter(|file| file.path().extension().is_some_and(|extension| extension == "toml"))
}

/// The suite of this name, or in this file.
pub fn find(name: &str) -> Result<Suite> {
    if let Some(file) = SUITES.get_file(format!("{name}.toml")) {
        return read_embedded(file);
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        let names: Vec<String> = embedded_files().map(|file| stem(file.path())).collect();
        let message =
            format!("unknown suite `{name}`: it is one of {}, or a file that ends in .toml", names.join(", "));
        return Err(Misuse::new(message).into());
    }
    let rates = |rates: &str| {
        let path = path.with_file_name(rates);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    parse(path, &std::fs::read_to_string(path).with_context(|| name.to_string())?, rates)
}

fn read_embedded(file: &include_dir::File) -> Result<Suite> {
    let rates = |name: &str| {
        let rates = SUITES.get_file(name).and_then(include_dir::File::contents_utf8);
        rates.map(String::from).with_context(|| format!("{name}: there is no such file in suites"))
    };
    parse(file.path(), file.contents_utf8().unwrap_or_default(), rates)
}

/// `rates` reads the file of that name beside the suite's.
pub(super) fn parse(path: &Path, text: &str, rates: impl Fn(&str) -> Result<String>) -> Result<Suite> {
    parse_file(path, text, rates).map_err(|error| Misuse::from(error.context(path.display().to_string())).into())
}

fn parse_file(path: &Path, text: &str, read_rates: impl Fn(&str) -> Result<String>) -> Result<Suite> {
    let file: File = toml::from_str(text)?;
    let datasets = one_or_more(["dataset", "datasets"], file.dataset, file.datasets)?;
    let datasets: Vec<DatasetId> =
        datasets.context("no `dataset` to train on")?.into_iter().map(|Parsed(id)| id).collect();
    let train_sizes = one_or_more(["train_size", "train_sizes"], file.train_size, file.train_sizes)?;
    let length = match (file.epochs, file.updates) {
        (Some(epochs), None) => Length::Epochs(epochs),
        (None, Some(updates)) => Length::Updates(updates),
        _ => bail!("how long is trained is said by `epochs` or by `updates`, one of them"),
    };
    let canvases = match (file.canvas, file.inputs) {
        (Some(_), Some(_)) => bail!("images are either resized to `inputs` or set on a `canvas`"),
        (canvas, None) => vec![canvas],
        (None, Some(sizes)) => {
            in_range("inputs", sizes.iter().copied(), 1, LONGEST_SIDE)?;
            sizes.into_iter().map(|size| Some(Canvas::Resized { size })).collect()
        }
    };
    let mut variants = Vec::new();
    for block in file.variants {
        add_variants(&mut variants, block, &datasets, file.lr)?;
    }
    ensure!(!variants.is_empty(), "no variants to train");
    ensure!(!canvases.is_empty(), "`inputs` is empty");

    in_range(
        "seeds",
        [file.seeds].into_iter().chain(variants.iter().filter_map(|variant| variant.seeds)),
        1,
        MOST_SEEDS,
    )?;
    in_range("tuning_seeds", [file.tuning_seeds], 1, MOST_SEEDS)?;
    in_range("epochs", file.epochs, 0, MOST_EPOCHS)?;
    in_range("updates", file.updates.map(|updates| updates as usize), 1, MOST_UPDATES)?;
    in_range("batch_size", [file.batch_size], 1, MOST_IMAGES)?;
    in_range("train_size", train_sizes.iter().flatten().copied(), 1, MOST_IMAGES)?;
    for lr in variants.iter().map(|variant| variant.lr).chain([file.lr]).chain(file.lr_grid.iter().copied()) {
        ensure!(lr.is_finite() && lr > 0., "lr = {lr}: it is a number above 0");
    }
    file.schedule.check()?;
    if let Some(measure) = file.measure {
        ensure!(length != Length::Epochs(0), "a `measure` needs networks that are trained, not 0 epochs");
        canvases.iter().try_for_each(|canvas| measure.check(*canvas, file.validation > 0))?;
    }
    statistics::check(&file.comparisons, &file.claims)?;
    let files: Vec<&str> = file.plots.iter().map(PlotSpec::file).collect();
    ensure!(distinct(files.clone()) == files, "two plots have the same `file`: {}", files.join(", "));
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
        variants,
        lr: file.lr,
        lr_grid: file.lr_grid,
        tuning_seeds: file.tuning_seeds,
        rates: match file.rates {
            Some(name) => Rates::parse(&read_rates(&name)?).context(name)?,
            None => Rates::default(),
        },
        measure: file.measure,
        text: text.into(),
    })
}

fn add_variants(variants: &mut Vec<Variant>, block: Block, datasets: &[DatasetId], lr: f64) -> Result<()> {
    let models = one_or_more(["model", "models"], block.model, block.models)?.context("variants without a `model`")?;
    let only: Vec<DatasetId> = block.datasets.into_iter().map(|Parsed(id)| id).collect();
    if let Some(id) = only.iter().find(|id| !datasets.contains(id)) {
        bail!("variants on {id}, which the suite's `datasets` lack")
    }
    for model in models {
        for head in &block.heads {
            let (head, own_lr) = match head {
                FileHead::Plain(head) => (head, None),
                FileHead::Tuned(Tuned { head, lr }) => (head, Some(*lr)),
            };
            let head: HeadConfig = head.parse()?;
            ensure!(
                block.lr.is_none() || own_lr.is_none(),
                "{model} with {head}: a rate of its own beside the block's"
            );
            let variant = Variant {
                model,
                head,
                setting: block.setting.clone(),
                datasets: only.clone(),
                seeds: block.seeds,
                lr: block.lr.or(own_lr).unwrap_or(lr),
                fixed_lr: block.lr.is_some(),
            };
            let same = |other: &&Variant| {
                (other.model, &other.head, &other.setting) == (variant.model, &variant.head, &variant.setting)
                    && datasets.iter().any(|id| other.is_for(id) && variant.is_for(id))
            };
            if let Some(Variant { model, head, .. }) = variants.iter().find(same) {
                bail!("{model} with {head} is there twice: tables have one row for each `setting`")
            }
            variants.push(variant);
        }
    }
    Ok(())
}

/// What is given under the one key or under the other.
fn one_or_more<T>(keys: [&str; 2], one: Option<T>, more: Option<Vec<T>>) -> Result<Option<Vec<T>>> {
    match (one, more) {
        (Some(_), Some(_)) => bail!("`{}` beside `{}`: one of them says it", keys[0], keys[1]),
        (_, Some(more)) if more.is_empty() => bail!("`{}` is empty", keys[1]),
        (one, more) => Ok(more.or(one.map(|one| vec![one]))),
    }
}

fn in_range(key: &str, values: impl IntoIterator<Item = usize>, least: usize, most: usize) -> Result<()> {
    for value in values {
        ensure!((least..=most).contains(&value), "{key} = {value}: it is a whole number from {least} to {most}");
    }
    Ok(())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Outline {
    /// Of a suite's file, whatever else is in it.
    pub fn parse(text: &str) -> Result<Self> {
        let outline: Self = toml::from_str(text)?;
        statistics::check(&outline.comparisons, &outline.claims)?;
        Ok(outline)
    }

    /// That of the suite of this name which is part of the program; an empty one if there is none.
    pub fn embedded(name: &str) -> Result<Self> {
        let file = SUITES.get_file(format!("{}.toml", name.trim_end_matches("-custom")));
        file.and_then(include_dir::File::contents_utf8).map_or(Ok(Self::default()), Self::parse)
    }
}
