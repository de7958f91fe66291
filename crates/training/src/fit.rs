use crate::{Optimizer, OptimizerConfig, Parameters, Schedule};
use candle_core::{Result, Tensor, bail};
use layers::{Layer, Mode};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitConfig {
    /// How long.
    pub length: Length,
    /// Seeds what layers draw during training, such as dropout masks.
    pub seed: u64,
    /// The peak of the learning rate.
    pub lr: f64,
    /// How the learning rate moves up to its peak and down again.
    pub schedule: Schedule,
    /// How a gradient becomes a step.
    pub optimizer: OptimizerConfig,
}

/// How long a model is trained. In a configuration file: `length = { epochs = 5 }` or `length = { updates = 600 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// Passes over the training data.
    Epochs(usize),
    /// Steps of the optimiser, whatever the number of batches in an epoch; the last epoch ends where they are taken.
    Updates(u64),
}

impl Length {
    /// The number of steps where an epoch has so many; none if it is more than can be counted.
    pub fn updates(self, of_epoch: u64) -> Option<u64> {
        match self {
            Length::Epochs(epochs) => of_epoch.checked_mul(epochs as u64),
            Length::Updates(updates) => Some(updates),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Length::Epochs(epochs) => write!(f, "{epochs} epochs"),
            Length::Updates(updates) => write!(f, "{updates} updates"),
        }
    }
}

/// What [`fit`] tells its caller while it runs. Epochs and steps count from 0; steps go on over epochs.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step is done: `loss` is the batch's mean before it, `lr` the rate it was taken with.
    Step { epoch: usize, step: u64, total_steps: u64, loss: f32, lr: f64 },
    /// An epoch is done: the moment to validate.
    Epoch(&'a EpochReport),
}

/// One epoch of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// Counted from 0.
    pub epoch: usize,
    /// Mean over the samples of the loss that was trained on: in training mode, while the weights moved.
    pub train_loss: f64,
    /// Learning rate of the last step.
    pub lr: f64,
}

/// Where a run broke off. Epoch and step count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// The epoch it happened in.
    pub epoch: usize,
    /// The step that was not taken, or the last of an epoch that left weights that are not finite; over all epochs.
    pub step: u64,
}

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "diverged: loss or weights stopped being finite in epoch {}, step {}", self.epoch, self.step)
    }
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOutcome {
    /// The epochs that were completed, the last perhaps cut short by [`Length::Updates`].
    pub epochs: Vec<EpochReport>,
    /// Where the run broke off, if it did; the parameters are those of that moment and worth nothing.
    pub diverged: Option<Diverged>,
}

/// Minimises the cross-entropy of a `model` built from `parameters`.
///
/// `epoch_batches` gives an epoch's batches of inputs (N, …) and targets (N) of u32, the same number in every epoch;
/// `on_event` hears of every step and every epoch, and an error from it ends the run. Nothing depends on the number of
/// threads: the same seeds and batches give the same weights.
///
/// A loss that is not finite ends the run before its step is taken; so do weights or running statistics that are not
/// finite at the end of an epoch (where a ReLU swallows a NaN the loss does not show it).
///
/// # Errors
/// A senseless configuration, an epoch without batches or with more or fewer than the first, nothing to train, and what
/// model, batches or `on_event` report.
pub fn fit<I>(
    model: &dyn Layer,
    parameters: &Parameters,
    epoch_batches: impl Fn(usize) -> I,
    config: &FitConfig,
    mut on_event: impl FnMut(Event) -> Result<()>,
) -> Result<FitOutcome>
where
    I: ExactSizeIterator<Item = Result<(Tensor, Tensor)>>,
{
    if let Length::Epochs(0) | Length::Updates(0) = config.length {
        bail!("there is nothing to train in {}", config.length)
    }
    if !(config.lr.is_finite() && config.lr > 0.) {
        bail!("the learning rate must be positive, not {}", config.lr)
    }
    config.schedule.check()?;
    let mut optimizer = Optimizer::new(&config.optimizer, parameters)?;
    let mut outcome = FitOutcome { epochs: Vec::new(), diverged: None };
    let (mut step, mut total_steps, mut of_epoch) = (0, u64::MAX, None);
    for epoch in 0.. {
        if step == total_steps {
            break;
        }
        let batches = epoch_batches(epoch);
        let count = batches.len() as u64;
        let expected = *of_epoch.get_or_insert(count);
        if count != expected {
            bail!("epoch {epoch} has {count} batches, the first had {expected}")
        }
        let Some(total) = config.length.updates(count) else {
            bail!("{} of {count} batches are more steps than can be counted", config.length)
        };
        total_steps = total;
        let (mut sum, mut samples, mut lr) = (0., 0, 0.);
        for batch in batches.take((total_steps - step) as usize) {
            let (xs, targets) = batch?;
            let logits = model.forward(&xs, Mode::Train { seed: config.seed, step })?;
            let loss = ops::cross_entropy(&logits, &targets)?;
            let value = loss.to_scalar::<f32>()?;
            if !value.is_finite() {
                outcome.diverged = Some(Diverged { epoch, step });
                return Ok(outcome);
            }
            lr = config.schedule.lr(config.lr, step, total_steps);
            optimizer.step(&loss.backward()?, lr)?;
            sum += value as f64 * targets.elem_count() as f64;
            samples += targets.elem_count();
            on_event(Event::Step { epoch, step, total_steps, loss: value, lr })?;
            step += 1;
        }
        if samples == 0 {
            bail!("epoch {epoch} has no batches to train on")
        }
        if !parameters.is_finite()? {
            outcome.diverged = Some(Diverged { epoch, step: step - 1 });
            return Ok(outcome);
        }
        let report = EpochReport { epoch, train_loss: sum / samples as f64, lr };
        on_event(Event::Epoch(&report))?;
        outcome.epochs.push(report);
    }
    Ok(outcome)
}
