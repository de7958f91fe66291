use candle_core::{Result, bail};
use layers::Mode;

use crate::{
    batch::Batch,
    config::FitConfig,
    loss::Loss,
    model::Model,
    optimizer::Optimizer,
    parameters::Parameters,
    progress::{Diverged, EpochReport, Event, FitOutcome},
};

/// Trains a model that was built from `parameters`, by minimising `loss`.
///
/// `epoch_batches` returns the batches of an epoch, the same number for every epoch. `on_event` is called after every
/// step and every epoch; an error that it returns ends the run. The result does not depend on the number of threads:
/// equal seeds and batches give equal weights, to the bit.
///
/// A run diverges, and ends, when a loss is not finite (before the step is taken) or when weights or running statistics
/// are not finite at the end of an epoch (after a ReLU a NaN may not show in the loss).
///
/// # Errors
/// Invalid settings, an epoch without batches or with another number of batches than the first, a model without
/// trainable parameters, and errors of the model, the loss, the batches or `on_event`.
///
/// # Examples
/// ```
/// use candle_core::{Device, Result, Tensor};
/// use layers::Stack;
/// use training::{FitConfig, Length, Loss, Parameters, fit};
///
/// # fn main() -> Result<()> {
/// let parameters = Parameters::seeded(0, &Device::Cpu);
/// let model = Stack::new(&[2], parameters.builder()).linear(2).build()?;
/// let xs = Tensor::new(&[[1f32, 0.], [0., 1.]], &Device::Cpu)?;
/// let classes = Tensor::new(&[0u32, 1], &Device::Cpu)?;
/// let batches = |_epoch| std::iter::once(Ok((xs.clone(), classes.clone())));
/// let config = FitConfig::new(Length::Epochs(20), 0.1);
/// let outcome = fit(&model, &parameters, batches, &Loss::default(), &config, |_event| Ok(()))?;
/// assert!(outcome.epochs[19].train_loss < outcome.epochs[0].train_loss);
/// # Ok(())
/// # }
/// ```
pub fn fit<I, B>(
    model: &dyn Model,
    parameters: &Parameters,
    epoch_batches: impl Fn(usize) -> I,
    loss: &Loss,
    config: &FitConfig,
    mut on_event: impl FnMut(Event) -> Result<()>,
) -> Result<FitOutcome>
where
    I: ExactSizeIterator<Item = Result<B>>,
    B: Into<Batch>,
{
    config.check()?;
    loss.check()?;
    let mut optimizer = Optimizer::new(&config.optimizer, parameters)?;
    let mut outcome = FitOutcome { epochs: Vec::new(), diverged: None };
    let (mut step, mut total_steps, mut first_count) = (0, u64::MAX, None);
    for epoch in 0.. {
        if step == total_steps {
            break;
        }
        let batches = epoch_batches(epoch);
        let count = batches.len() as u64;
        let expected = *first_count.get_or_insert(count);
        if count != expected {
            bail!("epoch {epoch} has {count} batches, the first had {expected}; every epoch must have the same number")
        }
        let Some(total) = config.length.updates(count) else {
            bail!("{} of {count} batches are more steps than can be counted (2^64 - 1)", config.length)
        };
        total_steps = total;
        let (mut sum, mut samples, mut lr) = (0., 0, 0.);
        for batch in batches.take((total_steps - step) as usize) {
            let Batch { inputs, targets } = batch?.into();
            let outputs = model.forward(&inputs, Mode::Train { seed: config.seed, step })?;
            let mean = loss.forward(&outputs, &targets)?;
            let value = mean.to_scalar::<f32>()?;
            if !value.is_finite() {
                outcome.diverged = Some(Diverged { epoch, step });
                return Ok(outcome);
            }
            lr = config.schedule.lr(config.lr, step, total_steps);
            optimizer.step(&mean.backward()?, lr)?;
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
