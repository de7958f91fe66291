use crate::{
    config::RunConfig,
    trial::{Trial, function},
};

/// The learning rates that were chosen for the variants of a suite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates(Vec<Trial>);

/// The reason why a text is not a `tuning.csv`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RatesError {
    /// A line that does not belong into such a file.
    #[error("this is not a tuning.csv as `--tune` writes it")]
    Format(#[from] csv::Error),
    /// A learning rate that is not a positive number.
    #[error("lr = {0}, but it must be a number above 0")]
    Rate(f64),
}

impl Rates {
    /// Keeps the chosen ones of some trials.
    pub fn new(trials: &[Trial]) -> Self {
        Self(trials.iter().filter(|trial| trial.chosen).cloned().collect())
    }

    /// Reads a `tuning.csv`.
    ///
    /// # Errors
    /// The first line that does not belong into such a file.
    pub fn parse(csv: &str) -> Result<Self, RatesError> {
        let trials = Trial::read_all(csv)?;
        match trials.iter().find(|trial| !(trial.lr.is_finite() && trial.lr > 0.)) {
            Some(trial) => Err(RatesError::Rate(trial.lr)),
            None => Ok(Self::new(&trials)),
        }
    }

    /// The learning rate that was chosen for the variant of a run. A line without an input, training size or setting applies
    /// to all of them. Heads that are the same function, `gap` and `gap-fc`, share the first of their lines.
    pub fn find(&self, run: &RunConfig) -> Option<f64> {
        let found = self.0.iter().find(|trial| {
            (&trial.dataset, &trial.model, function(&trial.head)) == (&run.dataset, &run.model, function(&run.head))
                && trial.input.as_ref().is_none_or(|of| *of == run.input)
                && trial.train_size.is_none_or(|of| of == run.train_size)
                && trial.setting.as_ref().is_none_or(|of| Some(of) == run.setting.as_ref())
        });
        found.map(|trial| trial.lr)
    }

    /// Returns whether no learning rate was chosen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_a_training_size_is_for_all_sizes_and_other_files_are_refused() {
        let text = "dataset,model,head,lr,val_top1,chosen\nmnist,nin,gap,0.1,90,\nmnist,nin,gap,0.3,,yes\n";
        let run = |head: &str| RunConfig {
            dataset: "mnist".into(),
            model: "nin".into(),
            head: head.into(),
            input: "1x28x28".into(),
            train_size: 7,
            ..RunConfig::default()
        };
        let rates = Rates::parse(text).unwrap();
        assert_eq!((rates.find(&run("gap")), rates.find(&run("fc"))), (Some(0.3), None));
        assert_eq!((rates.find(&run("gap-fc")), rates.find(&run("gmp-fc"))), (Some(0.3), None));
        assert!(Rates::parse("a,b\n1,2\n").unwrap_err().to_string().contains("tuning.csv"));
        let negative = Rates::parse("dataset,model,head,lr,val_top1,chosen\nmnist,nin,gap,-0.1,90,\n").unwrap_err();
        assert_eq!(negative.to_string(), "lr = -0.1, but it must be a number above 0");
    }
}
