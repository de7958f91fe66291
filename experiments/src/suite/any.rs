//! A suite of either task.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use datasets::Splits;
use records::Rates;

use super::{Changes, PairSuite, Suite};
use crate::{data::check_input, misuse::Misuse, pair_data::PairData};

/// A suite that trains on images, or on protein–drug pairs.
#[derive(Clone, Debug, PartialEq)]
pub enum AnySuite {
    Images(Suite),
    Pairs(PairSuite),
}

/// A suite and the data of its runs.
pub enum LoadedSuite {
    Images(Suite, Vec<Arc<Splits>>),
    Pairs(PairSuite, Arc<PairData>),
}

impl AnySuite {
    pub fn name(&self) -> &str {
        match self {
            Self::Images(suite) => &suite.name,
            Self::Pairs(suite) => &suite.name,
        }
    }

    pub fn question(&self) -> &str {
        match self {
            Self::Images(suite) => &suite.question,
            Self::Pairs(suite) => &suite.question,
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Images(suite) => &suite.text,
            Self::Pairs(suite) => &suite.text,
        }
    }

    /// Applies the options of the command line. `data_dir` is the folder of the data sets' files.
    ///
    /// # Errors
    /// Options that the suite does not take.
    pub fn with(&self, changes: &Changes, data_dir: Option<&Path>) -> Result<Self, Misuse> {
        match self {
            Self::Images(suite) => {
                let suite = suite.with(changes);
                suite.datasets.iter().try_for_each(|id| check_input(id, changes.input))?;
                Ok(Self::Images(suite))
            }
            Self::Pairs(suite) => Ok(Self::Pairs(suite.with(changes, data_dir)?)),
        }
    }

    /// Loads the data of the suite's runs. `skip_unknown` leaves out pairs of unknown proteins and compounds.
    ///
    /// # Errors
    /// [`Misuse`] for data that are impossible; otherwise, problems with the files.
    pub fn load(self, data_dir: Option<&Path>, skip_unknown: bool) -> Result<LoadedSuite> {
        Ok(match self {
            Self::Images(suite) => {
                let data = suite.data_spec()?.load(data_dir)?;
                LoadedSuite::Images(suite, data)
            }
            Self::Pairs(suite) => {
                let data = suite.load(skip_unknown)?;
                LoadedSuite::Pairs(suite, Arc::new(data))
            }
        })
    }
}

impl LoadedSuite {
    /// The first of the data sets that the original suite does not have.
    pub fn other_dataset(&self, original: &AnySuite) -> Option<&str> {
        match (self, original) {
            (Self::Images(_, data), AnySuite::Images(original)) => {
                data.iter().find(|data| !original.datasets.contains(&data.id)).map(|data| data.name.as_str())
            }
            (Self::Pairs(suite, data), _) => suite.folder.as_ref().map(|_| data.name.as_str()),
            _ => None,
        }
    }

    /// The learning rates that `--tune` tries.
    pub fn lr_grid(&self) -> &[f64] {
        match self {
            Self::Images(suite, _) => &suite.lr_grid,
            Self::Pairs(suite, _) => &suite.lr_grid,
        }
    }

    /// Returns whether networks are trained, not only counted and timed.
    pub fn trains(&self) -> bool {
        match self {
            Self::Images(suite, _) => suite.trains(),
            Self::Pairs(suite, _) => suite.trains(),
        }
    }

    /// Returns whether the learning rate of every variant is given.
    pub fn has_fixed_rates(&self) -> bool {
        match self {
            Self::Images(suite, _) => suite.variants.iter().all(|variant| variant.fixed_lr),
            Self::Pairs(suite, _) => suite.variants.iter().all(|variant| variant.fixed_lr),
        }
    }

    /// The suite with the learning rates that `--tune` chose.
    pub fn with_rates(self, rates: Rates) -> Self {
        match self {
            Self::Images(suite, data) => Self::Images(Suite { rates, ..suite }, data),
            Self::Pairs(suite, data) => Self::Pairs(PairSuite { rates, ..suite }, data),
        }
    }

    /// The same suite on data by which options are chosen: with the validation samples in the place of the test samples, or,
    /// where fewer than `enough` images are held out, with `folds` parts of all training images that are held out in turn by
    /// as many seeds. `None` if no samples are held out.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub fn for_choice(&self, enough: usize, folds: usize) -> Result<Option<Self>> {
        let (suite, data) = match self {
            Self::Images(suite, data) => (suite, data),
            Self::Pairs(suite, data) => {
                return Ok(data.without_test().map(|data| Self::Pairs(suite.clone(), Arc::new(data))));
            }
        };
        let Some(without_test) = data.iter().map(|data| data.without_test()).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let mut suite = suite.clone();
        let mut chosen_by = Vec::new();
        for (data, without_test) in data.iter().zip(without_test) {
            let is_enough = without_test.test.len() >= enough;
            chosen_by.push(Arc::new(if is_enough { without_test } else { data.in_folds(folds)? }));
            if !is_enough {
                suite.tuning_seeds = suite.tuning_seeds.max(folds);
            }
        }
        Ok(Some(Self::Images(suite, chosen_by)))
    }

    /// The suite that tries one learning rate, with seeds from `first_seed` on.
    pub fn at_rate(&self, lr: f64, first_seed: u64) -> Self {
        match self {
            Self::Images(suite, data) => {
                let (seeds, rates) = (suite.tuning_seeds, Rates::default());
                let mut suite = Suite { seeds, first_seed, rates, measure: None, ..suite.clone() };
                suite.variants.retain(|variant| !variant.fixed_lr);
                suite.variants.iter_mut().for_each(|variant| (variant.lr, variant.seeds) = (lr, None));
                Self::Images(suite, data.clone())
            }
            Self::Pairs(suite, data) => {
                let (seeds, rates) = (suite.tuning_seeds, Rates::default());
                let mut suite = PairSuite { seeds, first_seed, rates, ..suite.clone() };
                suite.variants.retain(|variant| !variant.fixed_lr);
                suite.variants.iter_mut().for_each(|variant| (variant.lr, variant.seeds) = (lr, None));
                Self::Pairs(suite, data.clone())
            }
        }
    }
}
