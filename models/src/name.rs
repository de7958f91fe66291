use crate::{Architecture, ModelConfig, ParseModelError, find};
use heads::ParseHeadError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// A width multiplier (Howard et al. 2017): scales the channels of every layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Width(f64);

impl Width {
    /// # Errors
    /// A number that is not positive and finite.
    pub fn new(width: f64) -> Result<Self, ParseModelError> {
        if width > 0. && width.is_finite() { Ok(Self(width)) } else { Err(ParseModelError::Width(width.to_string())) }
    }

    /// The scaled number of channels, rounded, at least 1.
    pub fn of(self, channels: usize) -> usize {
        ((channels as f64 * self.0).round() as usize).max(1)
    }
}

/// A model and its width in text: `nin`, `nin@0.25`.
///
/// ```
/// let name: models::ModelName = "nin@0.25".parse()?;
/// assert_eq!(name.architecture().default_head, "gap");
/// assert_eq!(name.width(), 0.25);
/// assert_eq!(name.to_string(), "nin@0.25");
/// # Ok::<(), models::ParseModelError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ModelName {
    architecture: &'static Architecture,
    width: Width,
}

impl ModelName {
    pub fn architecture(&self) -> &'static Architecture {
        self.architecture
    }

    pub fn width(&self) -> f64 {
        self.width.0
    }

    /// The defaults at this width.
    ///
    /// # Errors
    /// See [`Architecture::config`].
    pub fn config(&self) -> Result<ModelConfig, ParseHeadError> {
        Ok(ModelConfig { width: self.width(), ..self.architecture.config()? })
    }
}

impl PartialEq for ModelName {
    fn eq(&self, other: &Self) -> bool {
        (self.architecture.name, self.width) == (other.architecture.name, other.width)
    }
}

impl FromStr for ModelName {
    type Err = ParseModelError;

    fn from_str(text: &str) -> Result<Self, ParseModelError> {
        let (name, width) = match text.split_once('@') {
            None => (text, Width(1.)),
            Some((name, width)) => {
                let error = || ParseModelError::Width(width.to_string());
                let number = width.parse().map_err(|_| error())?;
                (name, Width::new(number).map_err(|_| error())?)
            }
        };
        Ok(Self { architecture: find(name)?, width })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.architecture.name)?;
        if self.width != Width(1.) { write!(f, "@{}", self.width.0) } else { Ok(()) }
    }
}

impl Serialize for ModelName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
