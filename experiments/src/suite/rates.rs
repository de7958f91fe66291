//! Learning rates that `--tune` chose, in the form in which it wrote them down.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What became of one variant at one rate: a line of `tuning.csv`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Trial {
    pub dataset: String,
    pub model: String,
    pub head: String,
    /// Where the suite has several; likewise the number of training images.
    #[serde(default)]
    pub input: Option<String>,
    #[serde(default)]
    pub train_size: Option<usize>,
    pub lr: f64,
    /// Validation accuracy in per cent, the mean over the seeds; none if one of them diverged.
    pub val_top1: Option<f64>,
    #[serde(deserialize_with = "yes")]
    pub chosen: bool,
}

fn yes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(deserializer)? == "yes")
}

/// The rates that were chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates(Vec<Trial>);

impl Rates {
    pub fn new(trials: &[Trial]) -> Self {
        Self(trials.iter().filter(|trial| trial.chosen).cloned().collect())
    }

    /// Reads a `tuning.csv`.
    ///
    /// # Errors
    /// The first line that is none of such a file, by number.
    pub fn parse(csv: &str) -> Result<Self> {
        let mut trials = Vec::new();
        for trial in csv::Reader::from_reader(csv.as_bytes()).deserialize() {
            let trial: Trial = trial.context("not a tuning.csv as `--tune` writes it")?;
            ensure!(trial.lr.is_finite() && trial.lr > 0., "lr = {}: it is a number above 0", trial.lr);
            trials.push(trial);
        }
        Ok(Self::new(&trials))
    }

    /// The rate that was chosen for this; whatever a line leaves open it is for all of.
    pub fn find(&self, dataset: &str, model: &str, head: &str, input: &str, train_size: usize) -> Option<f64> {
        let found = self.0.iter().find(|trial| {
            (trial.dataset.as_str(), trial.model.as_str(), trial.head.as_str()) == (dataset, model, head)
                && trial.input.as_deref().is_none_or(|of| of == input)
                && trial.train_size.is_none_or(|of| of == train_size)
        });
        found.map(|trial| trial.lr)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
