//! Rebuilds the runs that records tell of, from their configurations alone.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, anyhow, bail};
use datasets::{Canvas, DatasetId, Shape, SplitOptions, Splits};
use models::DeepConvDtiConfig;
use records::RunConfig;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use training::Length;

use crate::{
    data::DataSpec,
    misuse::Misuse,
    pair_data::{PairData, Planted},
    run::Run,
    task::{ImageTask, PairTask, Task},
};

/// The end of the error for fewer samples than a record tells of: it says what the user can do.
const OTHER_FOLDER: &str = "these are not the data of the record; name the folder of the right ones with `--data-dir`";

/// Rebuilds runs. Runs on the same data share them.
pub struct Recorded<'a> {
    /// The folder of the data sets' files.
    data_dir: Option<&'a Path>,
    loaded: Vec<(RunConfig, Arc<Splits>)>,
    /// Protein–drug pairs, each with its fingerprint and the number of training pairs.
    pairs: Vec<((String, usize), Arc<PairData>)>,
}

impl<'a> Recorded<'a> {
    /// Takes the folder of the data sets' files, for those that need one.
    pub fn new(data_dir: Option<&'a Path>) -> Self {
        Self { data_dir, loaded: Vec::new(), pairs: Vec::new() }
    }

    /// Rebuilds the run of a configuration, without the measure of its suite, which does not change the weights.
    ///
    /// # Errors
    /// [`Misuse`] for a data set, model, head or device that this program does not have; otherwise, images that cannot be
    /// loaded or are not those of the record.
    pub fn run(&mut self, config: &RunConfig) -> Result<Run> {
        if let Some(init) = &config.init {
            return Err(Misuse::new(format!(
                "the run started from a file of weights, of which the record only holds the hash {init}; it can be trained \
                 again by `run` with `--init`, but not verified"
            ))
            .into());
        }
        let task = match &config.network {
            None => self.image_task(config)?,
            Some(network) => self.pair_task(config, network)?,
        };
        let fingerprint = task.config().data_fingerprint;
        if fingerprint != config.data_fingerprint {
            bail!(
                "the data of {} are not those that the record was made with: their fingerprint is {fingerprint} instead of \
                 {}; name the folder of the right ones with `--data-dir`",
                config.dataset,
                config.data_fingerprint
            )
        }
        let length = match (config.epochs, config.updates) {
            (Some(epochs), None) => Length::Epochs(epochs),
            (None, Some(updates)) => Length::Updates(updates),
            _ => bail!("the record has to give the length of training by `epochs` or by `updates`, and only by one"),
        };
        let run = Run {
            task,
            data_label: format!(", {}, {} {}", config.input, config.train_size, config.samples()),
            setting: config.setting.clone(),
            lr: config.lr,
            lacks_rate: false,
            order: 0,
            seed: config.seed,
            length,
            batch_size: config.batch_size,
            schedule: parse(&config.schedule)?,
            optimizer: parse(&config.optimizer)?,
            device: config.device.parse().map_err(Misuse::new)?,
            macs: 0,
        };
        if !run.device.is_supported() {
            return Err(Misuse::new(format!(
                "the record was made on {}, which this build does not support",
                run.device
            ))
            .into());
        }
        let differing = RunConfig { measure: config.measure.clone(), ..run.config() }.differing_keys(config);
        if !differing.is_empty() {
            bail!("the run cannot be rebuilt from its record: {} would differ", differing.join(", "))
        }
        Ok(run)
    }

    fn image_task(&mut self, config: &RunConfig) -> Result<Arc<dyn Task>> {
        let augmentation = config.augment.as_deref().map(str::parse).transpose().map_err(Misuse::new)?;
        Ok(Arc::new(ImageTask {
            data: self.splits(config)?,
            model: config.model.parse().map_err(Misuse::from)?,
            head: config.head.parse().map_err(Misuse::from)?,
            augmentation: augmentation.unwrap_or_default(),
            init: None,
            measure: None,
        }))
    }

    fn pair_task(&mut self, config: &RunConfig, network: &Value) -> Result<Arc<dyn Task>> {
        let network: DeepConvDtiConfig = serde_json::from_value(network.clone()).context("the record's `network`")?;
        let key = (config.data_fingerprint.clone(), config.train_size);
        let data = match self.pairs.iter().find(|(of, _)| *of == key) {
            Some((_, data)) => data.clone(),
            None => {
                let data = Arc::new(self.load_pairs(config, network.length)?);
                self.pairs.push((key, data.clone()));
                data
            }
        };
        Ok(Arc::new(PairTask { data, model: config.model.clone(), config: network }))
    }

    /// The pairs of a configuration, whose sequences are padded to `length`.
    fn load_pairs(&self, config: &RunConfig, length: usize) -> Result<PairData> {
        if let Some(planted) = &config.planted {
            let planted: Planted = serde_json::from_value(planted.clone()).context("the record's `planted`")?;
            return Ok(planted.pairs(config.train_size, config.validation, length)?);
        }
        let Some(folder) = self.data_dir else {
            return Err(Misuse::new(format!(
                "the records are of pairs in a folder called `{}`; name that folder with `--data-dir`",
                config.dataset
            ))
            .into());
        };
        let data = PairData::read(folder, Some(config.train_size), length, true, OTHER_FOLDER)?;
        Ok(PairData { name: config.dataset.clone(), ..data })
    }

    /// The images of a configuration.
    fn splits(&mut self, config: &RunConfig) -> Result<Arc<Splits>> {
        if let Some((_, data)) = self.loaded.iter().find(|(other, _)| has_images_of(config, other)) {
            return Ok(data.clone());
        }
        let canvas: Option<Canvas> = config.canvas.as_deref().map(parse).transpose()?;
        let input: Shape = config.input.parse().map_err(Misuse::new)?;
        let id = self.dataset(&config.dataset)?;
        // A folder of images is in its name already.
        let data_dir = self.data_dir.filter(|_| !matches!(id, DatasetId::Folder(_)));
        let spec = DataSpec {
            datasets: vec![id],
            folder_input: input.0,
            splits: SplitOptions {
                canvases: vec![canvas],
                train_sizes: vec![Some(config.train_size)],
                validation: config.validation,
            },
            remedy: OTHER_FOLDER,
        };
        let data = spec.load(data_dir)?.pop().context("no images")?;
        // A folder of images may have been renamed since.
        let data = Arc::new(Splits { name: config.dataset.clone(), ..Arc::unwrap_or_clone(data) });
        self.loaded.push((config.clone(), data.clone()));
        Ok(data)
    }

    /// The data set of this name. One that is not part of the program is a folder of images.
    fn dataset(&self, name: &str) -> Result<DatasetId, Misuse> {
        if DatasetId::builtin().iter().any(|(builtin, _)| *builtin == name) {
            return name.parse().map_err(Misuse::from);
        }
        let Some(dir) = self.data_dir else {
            return Err(Misuse::new(format!(
                "the records are of a folder of images called `{name}`; name that folder with `--data-dir`"
            )));
        };
        let subfolder = dir.join(name);
        Ok(DatasetId::Folder(if subfolder.is_dir() { subfolder } else { dir.into() }))
    }
}

/// Returns whether two runs see the same images.
fn has_images_of(config: &RunConfig, other: &RunConfig) -> bool {
    let images = |config: &RunConfig| {
        let RunConfig { dataset, data_fingerprint, canvas, input, train_size, validation, .. } = config.clone();
        (dataset, data_fingerprint, canvas, input, train_size, validation)
    };
    images(config) == images(other)
}

/// Reads a value that a configuration spells as `kind(name=value, flag)`, such as `sgd(momentum=0.9, nesterov)`.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    let invalid = || anyhow!("the record's `{text}` is not of the form kind(name=value, flag)");
    let (kind, settings) = match text.split_once('(') {
        Some((kind, rest)) => (kind, rest.strip_suffix(')').ok_or_else(invalid)?),
        None => (text, ""),
    };
    let mut entries = Map::from_iter([("kind".to_string(), Value::from(kind))]);
    for setting in settings.split(", ").filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, "true"));
        entries.insert(name.into(), serde_json::from_str(value).map_err(|_| invalid())?);
    }
    serde_json::from_value(entries.into()).with_context(|| format!("the record's `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use training::{OptimizerConfig, Schedule};

    #[test]
    fn what_a_configuration_spells_is_read_back() {
        for schedule in [Schedule::constant(), Schedule::one_cycle(), Schedule::cosine()] {
            assert_eq!(parse::<Schedule>(&schedule.to_string()).unwrap(), schedule);
        }
        let sgd = |nesterov| OptimizerConfig::Sgd { momentum: 0.9, nesterov, weight_decay: 5e-4 };
        for optimizer in [OptimizerConfig::sgd(), sgd(true), sgd(false), OptimizerConfig::adamw()] {
            assert_eq!(parse::<OptimizerConfig>(&optimizer.to_string()).unwrap(), optimizer);
        }
        for canvas in [Canvas::Resized { size: 32 }, Canvas::Scattered { size: 64, clutter: 4 }] {
            assert_eq!(parse::<Canvas>(&canvas.to_string()).unwrap(), canvas);
        }
    }

    #[test]
    fn what_no_configuration_spells_is_an_error_that_quotes_it() {
        for text in ["cosine(warmup=0.1", "cosine(warmup=much)", "cosine(warm=0.1)", "cosines", ""] {
            let error = format!("{:#}", parse::<Schedule>(text).unwrap_err());
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
