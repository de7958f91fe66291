use records::Metric;
use serde::{Deserialize, Deserializer, de};

use crate::metric::title;

/// A number that every row has: the size of its input, that of its training set, or a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisQuantity {
    /// The side of a square with as many pixels as the input.
    Input,
    /// The number of training images.
    TrainSize,
    /// A metric, by its name in `summary.csv`.
    Metric(Metric),
}

impl AxisQuantity {
    /// The label of an axis.
    pub fn label(self) -> String {
        match self {
            Self::Input => "side of the input (pixels)".into(),
            Self::TrainSize => "training images".into(),
            Self::Metric(metric) => title(metric),
        }
    }

    /// Returns whether it spreads over orders of magnitude.
    pub fn is_count(self) -> bool {
        matches!(self, Self::Metric(metric) if metric.unit().is_empty())
    }
}

impl<'de> Deserialize<'de> for AxisQuantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "input" => Ok(Self::Input),
            "train_size" => Ok(Self::TrainSize),
            name => name
                .parse()
                .map(Self::Metric)
                .map_err(|error| de::Error::custom(format!("{error}; other quantities are `input` and `train_size`"))),
        }
    }
}
