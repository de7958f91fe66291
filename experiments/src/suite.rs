//! A suite: which variants are compared, and how they are trained. One TOML file each, in `experiments/suites/`.

use std::{path::Path, str::FromStr};

use anyhow::{Context, Result};
use datasets::DatasetId;
use heads::HeadConfig;
use include_dir::{Dir, include_dir};
use models::ModelName;
use serde::{Deserialize, Deserializer, de};
use training::{OptimizerConfig, Schedule};

use crate::{
    cli::{DeviceKind, MOST_EPOCHS, MOST_IMAGES, MOST_SEEDS, RunOptions, Shape},
    misuse::Misuse,
};

static SUITES: Dir = include_dir!("$CARGO_MANIFEST_DIR/suites");

/// A suite, with the options of the command line worked in.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// The file's, without `.toml`: also the name of its folder of results.
    pub name: String,
    pub question: String,
    pub dataset: DatasetId,
    /// What image folders are resized to.
    pub input: Option<Shape>,
    pub first_seed: u64,
    pub seeds: usize,
    pub epochs: usize,
    pub batch_size: usize,
    /// How many training images are held out: the same ones for all seeds.
    pub validation: usize,
    /// How many are trained on; all that are left if not given.
    pub train_size: Option<usize>,
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub device: DeviceKind,
    pub variants: Vec<Variant>,
    /// The learning rate of variants that the suite does not name.
    pub lr: f64,
    /// The rates that `--tune` tries.
    pub lr_grid: Vec<f64>,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub model: ModelName,
    pub head: HeadConfig,
    pub lr: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    #[serde(deserialize_with = "parsed")]
    dataset: DatasetId,
    #[serde(default, deserialize_with = "parsed_option")]
    input: Option<Shape>,
    seeds: usize,
    epochs: usize,
    batch_size: usize,
    #[serde(default)]
    validation: usize,
    train_size: Option<usize>,
    schedule: Schedule,
    optimizer: OptimizerConfig,
    lr: f64,
    #[serde(default)]
    lr_grid: Vec<f64>,
    variants: Vec<FileVariants>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileVariants {
    model: ModelName,
    heads: Vec<FileHead>,
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

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: std::fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

fn parsed_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Shape>, D::Error> {
    parsed(deserializer).map(Some)
}

/// All suites that are part of the program.
pub fn embedded() -> Result<Vec<Suite>> {
    SUITES.files().map(|file| parse(file.path(), file.contents_utf8().unwrap_or_default())).collect()
}

/// The suite of this name, or in this file.
pub fn find(name: &str) -> Result<Suite> {
    if let Some(file) = SUITES.get_file(format!("{name}.toml")) {
        return parse(file.path(), file.contents_utf8().unwrap_or_default());
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        let names: Vec<String> = SUITES.files().map(|file| stem(file.path())).collect();
        let message =
            format!("unknown suite `{name}`: it is one of {}, or a file that ends in .toml", names.join(", "));
        return Err(Misuse::new(message).into());
    }
    parse(path, &std::fs::read_to_string(path).with_context(|| name.to_string())?)
}

fn parse(path: &Path, text: &str) -> Result<Suite> {
    parse_file(path, text).map_err(|error| Misuse::from(error.context(path.display().to_string())).into())
}

fn parse_file(path: &Path, text: &str) -> Result<Suite> {
    let file: File = toml::from_str(text)?;
    let mut variants = Vec::new();
    for FileVariants { model, heads } in file.variants {
        for head in heads {
            let (head, lr) = match head {
                FileHead::Plain(head) => (head, file.lr),
                FileHead::Tuned(Tuned { head, lr }) => (head, lr),
            };
            let head: HeadConfig = head.parse()?;
            if variants.iter().any(|other: &Variant| (other.model, &other.head) == (model, &head)) {
                anyhow::bail!("{model} with {head} is there twice: tables have one row for each")
            }
            variants.push(Variant { model, head, lr });
        }
    }
    for (key, count, most) in [
        ("seeds", file.seeds, MOST_SEEDS),
        ("epochs", file.epochs, MOST_EPOCHS),
        ("batch_size", file.batch_size, MOST_IMAGES),
        ("train_size", file.train_size.unwrap_or(1), MOST_IMAGES),
    ] {
        anyhow::ensure!((1..=most).contains(&count), "{key} = {count}: it is a whole number from 1 to {most}");
    }
    for lr in variants.iter().map(|variant| variant.lr).chain([file.lr]).chain(file.lr_grid.iter().copied()) {
        anyhow::ensure!(lr.is_finite() && lr > 0., "lr = {lr}: it is a number above 0");
    }
    file.schedule.check()?;
    anyhow::ensure!(!variants.is_empty(), "no variants to train");
    Ok(Suite {
        name: stem(path),
        question: file.question,
        dataset: file.dataset,
        input: file.input,
        first_seed: 0,
        seeds: file.seeds,
        epochs: file.epochs,
        batch_size: file.batch_size,
        validation: file.validation,
        train_size: file.train_size,
        schedule: file.schedule,
        optimizer: file.optimizer,
        device: DeviceKind::Cpu,
        variants,
        lr: file.lr,
        lr_grid: file.lr_grid,
    })
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Suite {
    /// The suite as the options change it.
    pub fn with(&self, options: &RunOptions) -> Suite {
        let mut suite = self.clone();
        suite.dataset = options.dataset.clone().unwrap_or(suite.dataset);
        suite.seeds = options.seeds.unwrap_or(suite.seeds);
        suite.first_seed = options.seed;
        suite.epochs = options.epochs.unwrap_or(suite.epochs);
        suite.train_size = options.train_size.or(suite.train_size);
        suite.batch_size = options.batch_size.unwrap_or(suite.batch_size);
        suite.device = options.device;
        if options.models.is_some() || options.heads.is_some() {
            let heads = options.heads.as_ref().map(|list| list.0.as_slice());
            suite.variants = self.choose(options.models.as_deref(), heads);
        }
        suite.input = options.input.or(suite.input);
        if let Some(lr) = options.lr {
            suite.variants.iter_mut().for_each(|variant| variant.lr = lr);
        }
        suite
    }

    /// (C, H, W) that image folders are resized to: what the suite says, or what all its models take by default.
    pub fn input(&self) -> Result<[usize; 3]> {
        if let Some(input) = self.input {
            return Ok(input.0);
        }
        let inputs = distinct(self.variants.iter().map(|variant| variant.model.architecture().default_input));
        match (inputs.as_slice(), &self.dataset) {
            ([_, _, ..], DatasetId::Folder(path)) if path.is_dir() => {
                let inputs: Vec<String> = inputs.iter().map(|&input| Shape(input).to_string()).collect();
                let inputs = inputs.join(" and ");
                Err(Misuse::new(format!("these models take {inputs}: say by --input to what images are resized"))
                    .into())
            }
            _ => Ok(inputs[0]),
        }
    }

    /// Every model with every head that is asked for. A model that the suite lacks gets all its heads; a combination that
    /// the suite names keeps its learning rate.
    fn choose(&self, models: Option<&[ModelName]>, heads: Option<&[HeadConfig]>) -> Vec<Variant> {
        let own_models = || distinct(self.variants.iter().map(|variant| variant.model));
        let mut chosen = Vec::new();
        for model in models.map_or_else(own_models, <[_]>::to_vec) {
            let of_model = || self.variants.iter().filter(|variant| variant.model == model);
            let own_heads = || match of_model().next() {
                Some(_) => distinct(of_model().map(|variant| variant.head.clone())),
                None => distinct(self.variants.iter().map(|variant| variant.head.clone())),
            };
            for head in heads.map_or_else(own_heads, <[_]>::to_vec) {
                let known = of_model().find(|variant| variant.head == head);
                chosen.push(Variant { model, head, lr: known.map_or(self.lr, |variant| variant.lr) });
            }
        }
        distinct(chosen)
    }
}

/// Without repetitions, in order of first appearance.
fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn options(arguments: &[&str]) -> RunOptions {
        match Cli::parse_from(["experiments", "run"].iter().chain(arguments)).command {
            Some(Command::Run(options)) => *options,
            _ => panic!("not run"),
        }
    }

    #[test]
    fn every_embedded_suite_parses() {
        let suites = embedded().unwrap();
        assert!(suites.iter().any(|suite| suite.name == "heads" && suite.variants.len() == 16));
    }

    #[test]
    fn options_that_say_what_the_suite_says_change_nothing() {
        let suite = find("heads").unwrap();
        assert_eq!(suite.with(&options(&[])), suite);
        assert_eq!(suite.with(&options(&["--seeds", "3", "--dataset", "mnist-mini", "--threads", "1"])), suite);
        assert_ne!(suite.with(&options(&["--epochs", "5"])), suite);
    }

    #[test]
    fn models_and_heads_are_combined_and_named_once() {
        let variants = find("heads")
            .unwrap()
            .with(&options(&["--models", "lenet5,nin@0.25", "--heads", "fc:120,84,gap,gap"]))
            .variants;
        let names: Vec<String> = variants.iter().map(|v| format!("{} {}", v.model, v.head)).collect();
        assert_eq!(names, ["lenet5 fc:120,84", "lenet5 gap", "nin@0.25 fc:120,84", "nin@0.25 gap"]);
    }

    #[test]
    fn a_model_alone_comes_with_its_heads_in_the_suite() {
        let variants = find("heads").unwrap().with(&options(&["--models", "vgg-small@0.5"])).variants;
        assert_eq!(variants.len(), 3);
    }

    #[test]
    fn a_mistake_in_a_file_is_named() {
        let text = SUITES.get_file("heads.toml").unwrap().contents_utf8().unwrap();
        let message = |text: &str| format!("{:#}", parse(Path::new("my.toml"), text).unwrap_err());
        assert!(message(&text.replace("epochs = 4", "epoch = 4")).contains("epoch"));
        assert!(
            message(&text.replace("epochs = 4", "epochs = 0")).contains("epochs = 0: it is a whole number from 1 to")
        );
        assert!(message(&text.replace("\"gem-fc\"", "\"gemm-fc\"")).contains("gemm-fc"));
        assert!(message(&text.replace("\"two-conv\"", "\"two-cnov\"")).contains("two-cnov"));
    }
}
