use serde::{Deserialize, Deserializer};

/// A variant that was trained with one learning rate to choose from several: a line of `tuning.csv`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Trial {
    /// The name of the data set.
    pub dataset: String,
    /// The model with its width.
    pub model: String,
    /// The head.
    pub head: String,
    /// The shape of an image, if the suite has several.
    #[serde(default)]
    pub input: Option<String>,
    /// The number of training images, if the suite has several.
    #[serde(default)]
    pub train_size: Option<usize>,
    /// The learning rate.
    pub lr: f64,
    /// The validation accuracy in per cent, as the mean over seeds; `None` if one of them diverged.
    pub val_top1: Option<f64>,
    /// True if this learning rate was chosen; `yes` in the file.
    #[serde(deserialize_with = "is_yes")]
    pub chosen: bool,
}

fn is_yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(deserializer)? == "yes")
}
