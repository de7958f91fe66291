use std::sync::atomic::{AtomicU64, Ordering};

use crate::Mode;

/// Counts the training steps of a layer that is called through candle's `ModuleT`, which says that a step trains but
/// not which one it is. With the count, dropout masks differ from step to step.
///
/// ```
/// use layers::{Mode, StepCounter};
///
/// let steps = StepCounter::default();
/// assert_eq!(steps.mode(true), Mode::Train { seed: 0, step: 0 });
/// assert_eq!(steps.mode(false), Mode::Eval);
/// assert_eq!(steps.mode(true), Mode::Train { seed: 0, step: 1 });
/// ```
#[derive(Debug, Default)]
pub struct StepCounter(AtomicU64);

impl StepCounter {
    /// Returns the mode of the next call: the next training step with seed 0, or evaluation.
    pub fn mode(&self, train: bool) -> Mode {
        if train { Mode::Train { seed: 0, step: self.0.fetch_add(1, Ordering::Relaxed) } } else { Mode::Eval }
    }
}
