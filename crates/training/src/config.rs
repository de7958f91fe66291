use std::fmt;

use candle_core::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::{optimizer::OptimizerConfig, schedule::Schedule};

/// The settings of [`fit`](crate::fit). serde reads it from a configuration file:
///
/// ```toml
/// length = { epochs = 5 }
/// seed = 0
/// lr = 1e-3
/// schedule = { kind = "one-cycle", warmup = 0.3 }
/// optimizer = { kind = "sgd", momentum = 0.9, nesterov = true, weight_decay = 5e-4 }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FitConfig {
    /// The length of the run.
    pub length: Length,
    /// The seed of everything that layers draw at random during training, such as dropout masks.
    pub seed: u64,
    /// The peak learning rate.
    pub lr: f64,
    /// The course of the learning rate over the run.
    pub schedule: Schedule,
    /// The optimiser and its settings.
    pub optimizer: OptimizerConfig,
}

impl FitConfig {
    /// Returns the settings of a run with AdamW, a constant learning rate and seed 0.
    ///
    /// ```
    /// use training::{FitConfig, Length, OptimizerConfig, Schedule};
    ///
    /// let config = FitConfig::new(Length::Epochs(5), 1e-3).seed(7).schedule(Schedule::one_cycle());
    /// assert_eq!((config.seed, config.optimizer), (7, OptimizerConfig::adamw()));
    /// ```
    pub fn new(length: Length, lr: f64) -> Self {
        Self { length, seed: 0, lr, schedule: Schedule::constant(), optimizer: OptimizerConfig::adamw() }
    }

    /// Sets the seed.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the course of the learning rate.
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Sets the optimiser.
    pub fn optimizer(self, optimizer: OptimizerConfig) -> Self {
        Self { optimizer, ..self }
    }

    /// Checks everything but the optimiser's settings, which the optimiser checks itself.
    pub(crate) fn check(&self) -> Result<()> {
        if let Length::Epochs(0) | Length::Updates(0) = self.length {
            bail!("there is nothing to train in {}; at least 1 is needed", self.length)
        }
        if !(self.lr.is_finite() && self.lr > 0.) {
            bail!("the learning rate is {}; it must be positive and finite", self.lr)
        }
        self.schedule.check()
    }
}

/// The length of a run. In a configuration file: `length = { epochs = 5 }` or `length = { updates = 600 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// The number of passes over the training data.
    Epochs(usize),
    /// The number of optimiser steps, however many batches an epoch has. The last epoch ends with the last step.
    Updates(u64),
}

impl Length {
    /// Returns the number of optimiser steps if an epoch has `epoch_batches` batches, or `None` if it overflows.
    pub fn updates(self, epoch_batches: u64) -> Option<u64> {
        match self {
            Length::Epochs(epochs) => epoch_batches.checked_mul(epochs as u64),
            Length::Updates(updates) => Some(updates),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Length::Epochs(1) => f.write_str("1 epoch"),
            Length::Epochs(epochs) => write!(f, "{epochs} epochs"),
            Length::Updates(1) => f.write_str("1 update"),
            Length::Updates(updates) => write!(f, "{updates} updates"),
        }
    }
}
