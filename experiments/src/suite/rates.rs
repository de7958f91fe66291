use anyhow::{Context, Result, ensure};
use records::Trial;

/// The learning rates that `--tune` chose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates(Vec<Trial>);

impl Rates {
    /// Keeps the chosen ones of some trials.
    pub fn new(trials: &[Trial]) -> Self {
        Self(trials.iter().filter(|trial| trial.chosen).cloned().collect())
    }

    /// Reads a `tuning.csv`.
    ///
    /// # Errors
    /// The first line that does not belong into such a file.
    pub fn parse(csv: &str) -> Result<Self> {
        let mut trials = Vec::new();
        for trial in csv::Reader::from_reader(csv.as_bytes()).deserialize() {
            let trial: Trial = trial.context("this is not a tuning.csv as `--tune` writes it")?;
            ensure!(trial.lr.is_finite() && trial.lr > 0., "lr = {}, but it must be a number above 0", trial.lr);
            trials.push(trial);
        }
        Ok(Self::new(&trials))
    }

    /// The learning rate that was chosen for a variant. A line without an input or training size applies to all of them.
    pub fn find(&self, dataset: &str, model: &str, head: &str, input: &str, train_size: usize) -> Option<f64> {
        let found = self.0.iter().find(|trial| {
            (trial.dataset.as_str(), trial.model.as_str(), trial.head.as_str()) == (dataset, model, head)
                && trial.input.as_deref().is_none_or(|of| of == input)
                && trial.train_size.is_none_or(|of| of == train_size)
        });
        found.map(|trial| trial.lr)
    }

    /// Returns whether no learning rate was chosen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
