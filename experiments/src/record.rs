//! The record of one run: the only place where a number is kept. Tables and pages render records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use training::Diverged;

use crate::{
    machine::{Cpu, Versions},
    select::FACTORS,
};

/// One run, finished. Shares are 0..1; tables show them in per cent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub suite: SuiteInfo,
    /// Flat: `dataset`, `model`, `head`, `seed` and the rest, as strings and numbers.
    pub config: BTreeMap<String, Value>,
    /// Of the configuration without the seed: records of equal hashes are comparable.
    pub config_hash: String,
    pub status: Status,
    /// After each epoch that was completed; of many epochs after ten of them, evenly spread.
    pub curve: Vec<EpochPoint>,
    /// None if the run diverged, or trained nothing.
    #[serde(rename = "final")]
    pub outcome: Option<Outcome>,
    pub timings: Timings,
    /// Measured apart from training, all variants of the plan interleaved.
    pub speed: Option<Speed>,
    /// Trainable parameters.
    pub param_count: usize,
    pub head_param_count: usize,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Values in the outputs of all layers, for one image.
    #[serde(default)]
    pub activations: usize,
    /// The shape of the features that the head is given: (C, H, W).
    #[serde(default)]
    pub features: Vec<usize>,
    /// Height and width in pixels of what one position of the features sees; none where that is the whole image.
    pub receptive_field: Option<Vec<usize>>,
    pub weights_sha256: String,
    /// One bit per test image, in hexadecimal, the first image the highest bit; set where it was classified right.
    pub test_hits: String,
    /// What the suite measures beyond accuracy, after training.
    #[serde(default)]
    pub measures: Vec<Point>,
    pub versions: Versions,
    pub cpu: Cpu,
    /// That this run trained with.
    pub threads: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteInfo {
    pub name: String,
    pub question: String,
    /// What was typed.
    pub command: String,
    /// The variant's place in the suite.
    pub order: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Diverged(Diverged),
}

/// After one epoch. A loss that is not finite is left out: JSON has no such number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochPoint {
    pub epoch: usize,
    pub train_loss: Option<f64>,
    pub val_top1: Option<f64>,
    pub val_loss: Option<f64>,
}

/// After the last epoch, in inference mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub top1: f64,
    pub test_loss: Option<f64>,
    pub train_top1: f64,
    pub val_top1: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Beside other runs: not a measure of speed.
    pub train_seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    pub train_samples_per_sec: Measured,
    pub train_batch_size: usize,
    pub infer_samples_per_sec: Measured,
    pub infer_batch_size: usize,
    /// Of one image.
    pub latency_us: Measured,
    pub threads: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub median: f64,
    /// Interquartile range over the rounds, relative to the median.
    pub spread: f64,
}

/// One number that a suite's measure adds, beside accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// What is measured, e.g. `top1`, `pointing`.
    pub measure: String,
    /// Under which condition, e.g. `padded`.
    pub setting: Option<String>,
    /// At which distance in pixels, size or the like.
    pub at: Option<f64>,
    /// A share, 0..1; none where it is not possible.
    pub value: Option<f64>,
    /// One bit per test image, as `test_hits`, where the value is a share of images.
    pub hits: Option<String>,
}

impl Record {
    /// A text of the configuration; empty where there is none of that name.
    pub fn text(&self, key: &str) -> &str {
        self.config.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number of the configuration; 0 where there is none of that name.
    pub fn number(&self, key: &str) -> f64 {
        self.config.get(key).and_then(Value::as_f64).unwrap_or_default()
    }

    pub fn seed(&self) -> Option<u64> {
        self.config.get("seed").and_then(Value::as_u64)
    }

    /// What tells variants apart; empty or 0 what the configuration lacks.
    pub fn factors(&self) -> [String; 6] {
        FACTORS.map(|key| match self.config.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        })
    }
}

/// A number that JSON can hold.
pub fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

/// Bits as hexadecimal digits, four each, the first the highest; filled up with zeros.
pub fn hex_bits(bits: &[bool]) -> String {
    let digit = |bits: &[bool]| (0..4).fold(0, |digit, i| digit << 1 | u32::from(bits.get(i) == Some(&true)));
    bits.chunks(4).filter_map(|bits| char::from_digit(digit(bits), 16)).collect()
}

/// The first `count` of the bits that [`hex_bits`] wrote; none if there are fewer, or other digits.
pub fn bits(hex: &str, count: usize) -> Option<Vec<bool>> {
    let mut bits = Vec::with_capacity(4 * hex.len());
    for digit in hex.chars() {
        let digit = digit.to_digit(16)?;
        bits.extend((0..4).rev().map(|i| digit >> i & 1 == 1));
    }
    bits.truncate(count);
    (bits.len() == count).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_image_is_the_highest_bit() {
        assert_eq!(hex_bits(&[true, false, false, false, true, true]), "8c");
        assert_eq!(hex_bits(&[]), "");
    }

    #[test]
    fn bits_are_read_back() {
        assert_eq!(bits("8c", 6), Some(vec![true, false, false, false, true, true]));
        assert_eq!((bits("8c", 9), bits("8x", 6)), (None, None));
    }
}
