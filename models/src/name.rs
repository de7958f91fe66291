use std::{fmt, str::FromStr};

use candle_core::{Result, bail};
use candle_nn::VarBuilder;
use heads::ParseHeadError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Architecture, Classifier, ModelConfig, ParseModelError, Width, find};

/// The name of a model with a width, as on the command line and in records: `nin`, `nin@0.25`.
///
/// ```
/// use models::ModelName;
///
/// let name: ModelName = "nin@0.25".parse()?;
/// assert_eq!(name.architecture().default_head, "gap");
/// assert_eq!(name.width(), 0.25);
/// assert_eq!(name.to_string(), "nin@0.25");
///
/// let error = "nim".parse::<ModelName>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown model `nim`; available: two-conv, "));
/// # Ok::<(), models::ParseModelError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ModelName {
    architecture: &'static Architecture,
    width: Width,
}

/// Builds the model called NAME or NAME@WIDTH with parameters from `vb`: [`ModelName::build`] for a name in text.
///
/// ```
/// use candle_core::{DType, Device};
/// use candle_nn::{VarBuilder, VarMap};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let config = models::find("resnet8")?.config()?;
/// let net = models::build("resnet8@0.5", &config, vb)?;
/// assert_eq!(net.backbone.output, [32, 8, 8]); // instead of 64 channels
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ParseModelError`] for an unknown name, and those of [`ModelName::build`].
pub fn build(name: &str, config: &ModelConfig, vb: VarBuilder) -> Result<Classifier> {
    name.parse::<ModelName>().map_err(candle_core::Error::wrap)?.build(config, vb)
}

impl ModelName {
    /// Returns the architecture.
    pub fn architecture(&self) -> &'static Architecture {
        self.architecture
    }

    /// Returns the width, which is 1 if the name has none.
    pub fn width(&self) -> f64 {
        self.width.value()
    }

    /// Returns the default options of the architecture at this width.
    ///
    /// # Errors
    /// See [`Architecture::config`].
    pub fn config(&self) -> std::result::Result<ModelConfig, ParseHeadError> {
        Ok(ModelConfig { width: self.width(), ..self.architecture.config()? })
    }

    /// Builds the network with parameters from `vb`.
    ///
    /// Its width is that of the name or that of `config`, whichever is not 1.
    ///
    /// # Errors
    /// If name and `config` have two different widths, neither of which is 1. Further see [`Architecture::build`].
    pub fn build(&self, config: &ModelConfig, vb: VarBuilder) -> Result<Classifier> {
        let width = self.combined_width(config.width)?;
        self.architecture.build(&ModelConfig { width, ..config.clone() }, vb)
    }

    fn combined_width(&self, of_config: f64) -> Result<f64> {
        let of_name = self.width();
        if of_name != 1. && of_config != 1. && of_name != of_config {
            bail!("the model `{self}` is built with the width {of_config} in its options; give only one of the widths")
        }
        Ok(if of_name == 1. { of_config } else { of_name })
    }
}

impl PartialEq for ModelName {
    fn eq(&self, other: &Self) -> bool {
        (self.architecture.name, self.width) == (other.architecture.name, other.width)
    }
}

impl FromStr for ModelName {
    type Err = ParseModelError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseModelError> {
        let Some((name, width)) = text.split_once('@') else {
            return Ok(Self { architecture: find(text)?, width: Width::ONE });
        };
        let invalid = || ParseModelError::Width(width.to_string());
        let width = width.parse().ok().and_then(|width| Width::new(width).ok()).ok_or_else(invalid)?;
        Ok(Self { architecture: find(name)?, width })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.width.name(self.architecture.name))
    }
}

impl Serialize for ModelName {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
