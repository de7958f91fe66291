use crate::trial::Trial;

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

    /// The learning rate that was chosen for a variant. A line without an input, training size or setting applies to all of
    /// them.
    pub fn find(
        &self,
        [dataset, model, head]: [&str; 3],
        input: &str,
        train_size: usize,
        setting: Option<&str>,
    ) -> Option<f64> {
        let found = self.0.iter().find(|trial| {
            [&trial.dataset, &trial.model, &trial.head] == [dataset, model, head]
                && trial.input.as_deref().is_none_or(|of| of == input)
                && trial.train_size.is_none_or(|of| of == train_size)
                && trial.setting.as_deref().is_none_or(|of| Some(of) == setting)
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
    fn a_line_without_a_size_or_setting_is_for_all_of_them_and_other_files_are_refused() {
        let find =
            |text, size, setting| Rates::parse(text).unwrap().find(["mnist", "nin", "gap"], "1x28x28", size, setting);
        let text = "dataset,model,head,lr,val_top1,chosen\nmnist,nin,gap,0.1,90,\nmnist,nin,gap,0.3,,yes\n";
        assert_eq!([find(text, 7, None), find(text, 9, Some("long"))], [Some(0.3); 2]);
        let text =
            "dataset,model,head,setting,lr,val_top1,chosen\nmnist,nin,gap,long,0.1,90,yes\nmnist,nin,gap,,0.3,9,yes\n";
        assert_eq!([find(text, 7, Some("long")), find(text, 7, None)], [Some(0.1), Some(0.3)]);
        assert!(Rates::parse("a,b\n1,2\n").unwrap_err().to_string().contains("tuning.csv"));
        let negative = Rates::parse("dataset,model,head,lr,val_top1,chosen\nmnist,nin,gap,-0.1,90,\n").unwrap_err();
        assert_eq!(negative.to_string(), "lr = -0.1, but it must be a number above 0");
    }
}
