use std::path::Path;

use candle_core::{Context, Error, Result, bail};
use datasets::{MAX_SIDE, Standardization};
use heads::HeadConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use training::Parameters;

use crate::{ModelConfig, ModelName};

/// The key of the description in the file's metadata.
pub(super) const KEY: &str = "network";

/// A description of a trained network: all that is needed to build it and to feed it, and what it was trained on. It stands
/// in the metadata of the weights' file as JSON, under the key `network`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// The model with its width, such as `vgg-small@0.5`.
    pub model: ModelName,
    /// The head, such as `gap-fc`.
    pub head: HeadConfig,
    /// The shape (C, H, W) of the images.
    pub input: [usize; 3],
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// The mean and standard deviation of each channel that images are standardised with, for pixels from 0 to 1.
    pub standardization: Standardization,
    /// The name of the data set that the network was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// How the network was trained: for a run of the experiments, the configuration and its hash, as in the run's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Value>,
}

impl NetworkInfo {
    /// Reads the description from the metadata of a file of weights.
    ///
    /// # Errors
    /// A file that cannot be read or that has no such description, and a model or head that is unknown.
    pub fn read(path: &Path) -> Result<Self> {
        let Some(text) = training::metadata(path, KEY)? else {
            bail!(
                "{}: the file does not say which network its weights belong to; only files of trained networks do, which \
                 runs write to `weights/`",
                path.display()
            )
        };
        let info: Self = serde_json::from_str(&text).map_err(|error| Error::wrap(error).with_path(path))?;
        info.check().with_context(|| path.display().to_string())?;
        Ok(info)
    }

    /// Writes weights with this description to a safetensors file. An earlier file is replaced as a whole.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, parameters: &Parameters, path: &Path) -> Result<()> {
        parameters.save_with_metadata(path, KEY, self.json()?)
    }

    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::wrap)
    }

    /// Returns the options that the network is built with.
    pub fn config(&self) -> ModelConfig {
        ModelConfig {
            input: self.input,
            classes: self.classes.len(),
            head: self.head.clone(),
            width: self.model.width(),
        }
    }

    fn check(&self) -> Result<()> {
        let Standardization { mean, std } = &self.standardization;
        let [channels, height, width] = self.input;
        if [channels, height, width].iter().any(|size| !(1..=MAX_SIDE).contains(size)) || self.classes.is_empty() {
            let classes = self.classes.len();
            bail!(
                "a network of {classes} classes for images of {:?} is impossible; sizes are 1 to {MAX_SIDE}",
                self.input
            )
        }
        if mean.len() != channels || std.len() != channels {
            bail!("the network takes {channels} channels, but {} are standardised", mean.len().max(std.len()))
        }
        if !mean.iter().all(|mean| mean.is_finite()) || !std.iter().all(|std| std.is_finite() && *std > 0.) {
            bail!("images cannot be standardised with the means {mean:?} and standard deviations {std:?}")
        }
        Ok(())
    }
}
