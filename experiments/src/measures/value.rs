//! Constructors of measured values.

use records::{Point, hex_bits};

/// The share of test images that are hits, together with the hits, so that networks can be compared image by image.
pub fn share(measure: &str, setting: Option<&str>, at: Option<f64>, hits: &[bool]) -> Point {
    let value = mean(hits.iter().map(|&hit| f64::from(u8::from(hit))));
    Point { hits: Some(hex_bits(hits)), ..number(measure, setting, at, value) }
}

/// A value that is not a share of images.
pub fn number(measure: &str, setting: Option<&str>, at: Option<f64>, value: Option<f64>) -> Point {
    Point { measure: measure.into(), setting: setting.map(Into::into), at, value, hits: None }
}

/// The mean; `None` without values.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0, 0.), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}
