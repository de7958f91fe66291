use serde::{Deserialize, Serialize};

use crate::bits::hex_bits;

/// A number that a suite measures on a trained network besides its accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The name of the measured quantity, such as `top1` or `pointing`.
    pub measure: String,
    /// The condition, such as `padded`.
    pub setting: Option<String>,
    /// The strength of the condition, such as a distance or a size in pixels.
    pub at: Option<f64>,
    /// The value, a share from 0 to 1; `None` if the network cannot be measured.
    pub value: Option<f64>,
    /// One bit per test image as in [`Record::test_hits`](crate::Record::test_hits), if the value is a share of images.
    pub hits: Option<String>,
}

impl Point {
    /// The share of test images that are hits, together with the hits, so that networks can be compared image by image.
    pub fn share(measure: &str, setting: Option<&str>, at: Option<f64>, hits: &[bool]) -> Self {
        let share = hits.iter().filter(|hit| **hit).count() as f64 / hits.len() as f64;
        let value = (!hits.is_empty()).then_some(share);
        Self { hits: Some(hex_bits(hits)), ..Self::number(measure, setting, at, value) }
    }

    /// A value that is not a share of images; `None` if the network cannot be measured.
    pub fn number(measure: &str, setting: Option<&str>, at: Option<f64>, value: Option<f64>) -> Self {
        Self { measure: measure.into(), setting: setting.map(Into::into), at, value, hits: None }
    }
}
