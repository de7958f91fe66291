use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::evaluate::Evaluation;

/// The progress that [`fit`](crate::fit) reports to its caller. Epochs and steps are counted from 0, steps over the
/// whole run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run goes on from a checkpoint. The next step is `step`.
    Resumed {
        /// The current epoch.
        epoch: usize,
        /// The number of steps that have been taken.
        step: u64,
        /// The number of steps in the run.
        total_steps: u64,
    },
    /// The optimiser has taken a step.
    Step {
        /// The current epoch.
        epoch: usize,
        /// The number of the step.
        step: u64,
        /// The number of steps in the run.
        total_steps: u64,
        /// The mean loss of the batch, computed before the step.
        loss: f32,
        /// The learning rate of the step.
        lr: f64,
    },
    /// An epoch has ended. This is the moment to validate, and to note the result in the report, which the outcome and
    /// checkpoints keep.
    Epoch(&'a mut EpochReport),
}

/// The summary of one epoch of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EpochReport {
    /// The number of the epoch, counted from 0.
    pub epoch: usize,
    /// The mean loss per sample in training mode, each batch measured with the weights before its step.
    pub train_loss: f64,
    /// The learning rate of the last step.
    pub lr: f64,
    /// The performance on validation data, if the caller of [`fit`](crate::fit) has noted it.
    #[serde(default)]
    pub validation: Option<Validation>,
}

/// The performance on validation data after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The share of samples that are classified correctly, from 0 to 1.
    pub top1: f64,
    /// The mean loss per sample. JSON has no infinities; such a loss is read back as NaN.
    #[serde(deserialize_with = "or_nan")]
    pub loss: f64,
    /// The area under the receiver operating characteristic, if the caller has noted it.
    #[serde(default)]
    pub auroc: Option<f64>,
}

impl From<&Evaluation> for Validation {
    fn from(evaluation: &Evaluation) -> Self {
        Self { top1: evaluation.top1, loss: evaluation.loss, auroc: None }
    }
}

fn or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The moment at which a run diverged. Epoch and step are counted from 0, steps over the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// The epoch in which the run diverged.
    pub epoch: usize,
    /// The step whose loss was not finite and which was not taken, or the last step of an epoch that left weights that
    /// are not finite.
    pub step: u64,
}

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "diverged: loss or weights stopped being finite in epoch {}, step {}", self.epoch, self.step)
    }
}

/// The outcome of a run of [`fit`](crate::fit), apart from the weights.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FitOutcome {
    /// The epochs that ended. [`Length::Updates`](crate::Length::Updates) may cut the last one short.
    pub epochs: Vec<EpochReport>,
    /// When the run diverged; `None` if it ended regularly. The weights of a diverged run are useless.
    pub diverged: Option<Diverged>,
    /// The number of steps that had been taken when the run was stopped; see
    /// [`Checkpoints::stop_on`](crate::Checkpoints::stop_on). `None` if it was not.
    pub stopped: Option<u64>,
    /// The time spent on batches and steps, in seconds, without that of the caller and of checkpoints.
    pub seconds: f64,
}
