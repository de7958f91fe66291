use candle_core::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::progress::{Diverged, EpochReport, FitOutcome};

/// The position of a run between two steps, and what it has reported so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The number of steps that have been taken.
    pub step: u64,
    /// The current epoch.
    pub epoch: usize,
    /// The number of batches of the epoch that have been trained on.
    pub batch: usize,
    /// The sum over the epoch's samples of their losses.
    pub loss_sum: f64,
    /// The number of samples in those batches.
    pub samples: usize,
    /// The time spent on batches and steps.
    pub seconds: f64,
    /// The epochs that have ended.
    pub epochs: Vec<EpochReport>,
}

impl Position {
    /// Moves to the beginning of the next epoch.
    pub fn begin_epoch_after(&mut self, report: EpochReport) {
        self.epochs.push(report);
        self.epoch += 1;
        (self.batch, self.loss_sum, self.samples) = (0, 0., 0);
    }

    /// Checks that a saved position lies within a run of `total_steps` steps and `count` batches in each epoch.
    pub fn check(&self, count: u64, total_steps: u64) -> Result<()> {
        let Self { step, epoch, batch, .. } = *self;
        // The last epoch of a run may be shorter than the others.
        let is_end = step == total_steps && batch == 0;
        let steps = (epoch as u64).checked_mul(count).and_then(|steps| steps.checked_add(batch as u64));
        if step > total_steps || batch as u64 > count || !(is_end || steps == Some(step)) {
            bail!(
                "the checkpoint is at step {step}, batch {batch} of epoch {epoch}, which does not fit a run of \
                 {total_steps} steps with {count} batches in each epoch"
            )
        }
        Ok(())
    }

    /// Returns the outcome of a run that ends here.
    pub fn outcome(self, diverged: Option<Diverged>, stopped: Option<u64>) -> FitOutcome {
        FitOutcome { epochs: self.epochs, diverged, stopped, seconds: self.seconds }
    }
}
