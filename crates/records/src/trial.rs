use std::io::{self, ErrorKind};

use serde::{Deserialize, Deserializer};

/// The columns that every `tuning.csv` has.
const REQUIRED: [&str; 6] = ["dataset", "model", "head", "lr", "val_top1", "chosen"];

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
    /// The label that distinguishes variants with the same model and head, if there is one.
    #[serde(default)]
    pub setting: Option<String>,
    /// The learning rate.
    pub lr: f64,
    /// The validation accuracy in per cent, as the mean over seeds; `None` if one of them diverged.
    pub val_top1: Option<f64>,
    /// True if this learning rate was chosen; `yes` in the file.
    #[serde(deserialize_with = "is_yes")]
    pub chosen: bool,
}

/// The name of the function that a head computes. The mean of a linear layer's values at all positions is the linear layer of
/// their mean, so that `gap` and `gap-fc` are one function.
pub(crate) fn function(head: &str) -> &str {
    if head == "gap" { "gap-fc" } else { head }
}

impl Trial {
    /// Returns whether two trials are of the same function on the same data, so that one learning rate should serve both.
    pub fn is_of_same_function(&self, other: &Self) -> bool {
        let of = |trial: &Self| {
            let Self { dataset, model, input, train_size, setting, .. } = trial.clone();
            (dataset, model, function(&trial.head).to_string(), input, train_size, setting)
        };
        of(self) == of(other)
    }

    /// Reads all lines of a `tuning.csv`.
    ///
    /// # Errors
    /// The first line that does not belong into such a file.
    pub fn read_all(csv: &str) -> Result<Vec<Self>, csv::Error> {
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        // Without lines, nothing else tells such a file from another one.
        let headers = reader.headers()?;
        if let Some(missing) = REQUIRED.iter().find(|name| !headers.iter().any(|header| header == **name)) {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("there is no column `{missing}`")).into());
        }
        reader.deserialize().collect()
    }

    /// Marks the rate with the highest accuracy as chosen, and of several such rates the lowest; none if all diverged. The
    /// trials are those of one variant.
    pub fn choose(trials: &mut [Self]) {
        let better = |a: &Self, b: &Self| a.val_top1 > b.val_top1 || (a.val_top1 == b.val_top1 && a.lr < b.lr);
        if let Some(best) = trials.iter_mut().reduce(|a, b| if better(b, a) { b } else { a }) {
            best.chosen = best.val_top1.is_some();
        }
    }
}

fn is_yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(deserializer)? == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_rate_is_chosen_of_equal_ones_the_lowest_and_never_one_that_diverged() {
        for (accuracies, best) in [
            ([Some(0.9), Some(0.95), Some(0.94)], Some(0.01)),
            ([Some(0.9), Some(0.8), Some(0.9)], Some(0.03)),
            ([None, Some(0.1), None], Some(0.01)),
            ([None, None, None], None),
        ] {
            let trial = |(lr, val_top1)| Trial {
                dataset: "mnist-mini".into(),
                model: "two-conv".into(),
                head: "fc".into(),
                input: None,
                train_size: None,
                setting: None,
                lr,
                val_top1,
                chosen: false,
            };
            let mut trials: Vec<Trial> = [0.1, 0.01, 0.03].into_iter().zip(accuracies).map(trial).collect();
            Trial::choose(&mut trials);
            let chosen: Vec<f64> = trials.iter().filter(|trial| trial.chosen).map(|trial| trial.lr).collect();
            assert_eq!(chosen, best.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn gap_and_gap_fc_on_the_same_data_are_of_the_same_function() {
        let trial = |head: &str, train_size, lr| Trial {
            dataset: "mnist-mini".into(),
            model: "two-conv".into(),
            head: head.into(),
            input: None,
            train_size,
            setting: None,
            lr,
            val_top1: None,
            chosen: false,
        };
        let gap = trial("gap", Some(100), 0.1);
        assert!(gap.is_of_same_function(&trial("gap-fc", Some(100), 0.3)));
        for other in [trial("gmp-fc", Some(100), 0.1), trial("gap-fc", Some(300), 0.1), trial("gap-fc", None, 0.1)] {
            assert!(!gap.is_of_same_function(&other));
        }
    }
}
