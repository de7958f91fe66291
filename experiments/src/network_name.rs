use std::str::FromStr;

use models::{DEEP_CONV_DTI, ModelName, Preset};

/// A network of the zoo.
#[derive(Clone, Debug)]
pub enum NetworkName {
    /// A classifier of images.
    Images(ModelName),
    /// A network for protein–drug pairs.
    Pairs(&'static Preset),
}

impl FromStr for NetworkName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(preset) = DEEP_CONV_DTI.iter().find(|preset| preset.name == text) {
            return Ok(Self::Pairs(preset));
        }
        let names = || DEEP_CONV_DTI.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        text.parse().map(Self::Images).map_err(|error: models::ParseModelError| match error {
            models::ParseModelError::Unknown { .. } => format!("{error}; or, without a width, {}", names()),
            _ => error.to_string(),
        })
    }
}
