use std::time::Instant;

use candle_core::{Error, Result, bail};
use layers::Mode;

use crate::{
    batch::Batch,
    checkpoint::{Checkpoints, Saver},
    config::FitConfig,
    device::on_awake_threads,
    loss::Loss,
    model::Model,
    optimizer::Optimizer,
    parameters::Parameters,
    position::Position,
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
    on_event: impl FnMut(Event) -> Result<()>,
) -> Result<FitOutcome>
where
    I: ExactSizeIterator<Item = Result<B>>,
    B: Into<Batch>,
{
    train(model, parameters, epoch_batches, loss, config, None, on_event)
}

/// Trains like [`fit`], and saves checkpoints from which a later call goes on: it ends with the weights, to the bit, that a
/// run without an interruption gives. The batches of an epoch must be the same in every call.
///
/// The checkpoint is kept when the run ends, so that nothing is trained again if the program is killed before it has
/// saved the outcome. Remove the file after that.
///
/// # Errors
/// Those of [`fit`], of [`Checkpoints::check`], and a checkpoint that cannot be saved ([`candle_core::Error::Io`] within
/// its path).
///
/// # Examples
/// ```
/// use candle_core::{Device, Result, Tensor};
/// use layers::Stack;
/// use training::{Checkpoints, FitConfig, Length, Loss, Parameters, fit_resumable};
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let parameters = Parameters::seeded(0, &Device::Cpu);
/// let model = Stack::new(&[2], parameters.builder()).linear(2).build()?;
/// let xs = Tensor::new(&[[1f32, 0.], [0., 1.]], &Device::Cpu)?;
/// let classes = Tensor::new(&[0u32, 1], &Device::Cpu)?;
/// let batches = |_epoch| std::iter::once(Ok((xs.clone(), classes.clone())));
/// let config = FitConfig::new(Length::Epochs(20), 0.1);
/// let checkpoints = Checkpoints::new(folder.join("identity.safetensors"), "two bits, one layer");
/// let outcome =
///     fit_resumable(&model, &parameters, batches, &Loss::default(), &config, &checkpoints, |_event| Ok(()))?;
/// assert_eq!((outcome.epochs.len(), outcome.stopped), (20, None));
/// # Ok(())
/// # }
/// ```
pub fn fit_resumable<I, B>(
    model: &dyn Model,
    parameters: &Parameters,
    epoch_batches: impl Fn(usize) -> I,
    loss: &Loss,
    config: &FitConfig,
    checkpoints: &Checkpoints,
    on_event: impl FnMut(Event) -> Result<()>,
) -> Result<FitOutcome>
where
    I: ExactSizeIterator<Item = Result<B>>,
    B: Into<Batch>,
{
    train(model, parameters, epoch_batches, loss, config, Some(checkpoints), on_event)
}

fn train<I, B>(
    model: &dyn Model,
    parameters: &Parameters,
    epoch_batches: impl Fn(usize) -> I,
    loss: &Loss,
    config: &FitConfig,
    checkpoints: Option<&Checkpoints>,
    mut on_event: impl FnMut(Event) -> Result<()>,
) -> Result<FitOutcome>
where
    I: ExactSizeIterator<Item = Result<B>>,
    B: Into<Batch>,
{
    config.check()?;
    loss.check()?;
    let mut optimizer = Optimizer::new(&config.optimizer, parameters)?;
    let saved = checkpoints.map(|checkpoints| checkpoints.load(parameters, config).map_err(Error::wrap));
    let saved = saved.transpose()?.flatten();
    let resumes = saved.is_some();
    let mut run = saved.map_or(Ok(Position::default()), |saved| saved.restore(parameters, &mut optimizer))?;
    let mut saver = checkpoints.map(|checkpoints| Saver::new(checkpoints, config));
    let (mut first_count, mut is_announced) = (None, !resumes);
    loop {
        let mut lap = Instant::now();
        let batches = epoch_batches(run.epoch);
        let count = batches.len() as u64;
        let expected = *first_count.get_or_insert(count);
        if count != expected {
            let epoch = run.epoch;
            bail!("epoch {epoch} has {count} batches, the first had {expected}; every epoch must have the same number")
        }
        let Some(total_steps) = config.length.updates(count) else {
            bail!("{} of {count} batches are more steps than can be counted (2^64 - 1)", config.length)
        };
        if !is_announced {
            is_announced = true;
            run.check(count, total_steps)?;
            on_event(Event::Resumed { epoch: run.epoch, step: run.step, total_steps })?;
            lap = Instant::now();
        }
        if run.step == total_steps && run.step > 0 && run.batch == 0 {
            return Ok(run.outcome(None, None));
        }
        for batch in batches.skip(run.batch).take((total_steps - run.step) as usize) {
            let Batch { inputs, targets } = batch?.into();
            let Position { epoch, step, .. } = run;
            let lr = config.schedule.lr(config.lr, step, total_steps);
            let value = on_awake_threads(targets.device(), || {
                let tape = ops::Tape::start();
                let outputs = model.forward(&inputs, Mode::Train { seed: config.seed, step })?;
                let mean = loss.forward(&outputs, &targets)?;
                let value = mean.to_scalar::<f32>()?;
                if value.is_finite() {
                    optimizer.step(&tape.backward(&mean)?, lr)?;
                }
                Ok::<_, Error>(value)
            })?;
            if !value.is_finite() {
                return Ok(run.outcome(Some(Diverged { epoch, step }), None));
            }
            run.loss_sum += value as f64 * targets.elem_count() as f64;
            run.samples += targets.elem_count();
            run.step += 1;
            run.batch += 1;
            run.seconds += lap.elapsed().as_secs_f64();
            on_event(Event::Step { epoch, step, total_steps, loss: value, lr })?;
            if let Some(saver) = &mut saver {
                let stops = saver.stops();
                if stops || saver.is_due(false) {
                    saver.save(&run, parameters, &optimizer)?;
                }
                if stops {
                    let stopped = Some(run.step);
                    return Ok(run.outcome(None, stopped));
                }
            }
            lap = Instant::now();
        }
        if run.samples == 0 {
            bail!("epoch {} has no batches to train on", run.epoch)
        }
        let last_step = run.step - 1;
        if !parameters.is_finite()? {
            let at = Diverged { epoch: run.epoch, step: last_step };
            return Ok(run.outcome(Some(at), None));
        }
        let lr = config.schedule.lr(config.lr, last_step, total_steps);
        let mut report =
            EpochReport { epoch: run.epoch, train_loss: run.loss_sum / run.samples as f64, lr, validation: None };
        on_event(Event::Epoch(&mut report))?;
        run.begin_epoch_after(report);
        if let Some(saver) = saver.as_mut().filter(|saver| saver.is_due(true)) {
            saver.save(&run, parameters, &optimizer)?;
        }
        if run.step == total_steps {
            return Ok(run.outcome(None, None));
        }
    }
}
