//! The training loop: learning, determinism, events, divergence and errors.

use candle_core::{Device, Result, Tensor, bail};
use layers::{Description, Layer, Mode, Sequential, Stack};
use rand_chacha::rand_core::Rng;
use training::{Batch, Diverged, Event, FitConfig, Length, Loss, OptimizerConfig, Parameters, Schedule, evaluate, fit};

const CPU: Device = Device::Cpu;
const CLASSES: usize = 3;
const LOSS: Loss = Loss::CrossEntropy { label_smoothing: 0. };

/// Returns a batch of noisy 6×6 images, each with a bright column at a position that its class determines.
fn batch(number: u64, size: usize) -> Result<(Tensor, Tensor)> {
    let mut random = layers::rng(5, "images", number);
    let mut noise = std::iter::repeat_with(|| random.next_u32() as f32 / u32::MAX as f32);
    let targets: Vec<u32> = (0..size).map(|i| (i % CLASSES) as u32).collect();
    let mut pixels = Vec::new();
    for &target in &targets {
        pixels.extend((0..36).zip(&mut noise).map(|(i, n)| n + if i % 6 == 2 * target { 1. } else { 0. }));
    }
    Ok((Tensor::from_vec(pixels, (size, 1, 6, 6), &CPU)?, Tensor::new(targets, &CPU)?))
}

/// Returns three full batches and a smaller one.
fn batches(_epoch: usize) -> std::vec::IntoIter<Result<(Tensor, Tensor)>> {
    vec![batch(0, 12), batch(1, 12), batch(2, 12), batch(3, 5)].into_iter()
}

fn model(parameters: &Parameters) -> Sequential {
    let stack = Stack::new(&[1, 6, 6], parameters.builder()).conv(4, 3).batch_norm().relu().max_pool(2).flatten();
    stack.dropout(0.2).linear(CLASSES).build().unwrap()
}

fn config(epochs: usize) -> FitConfig {
    FitConfig::new(Length::Epochs(epochs), 0.03).schedule(Schedule::one_cycle())
}

fn updates(updates: u64) -> FitConfig {
    FitConfig::new(Length::Updates(updates), 0.03).schedule(Schedule::one_cycle())
}

fn trained(config: &FitConfig) -> Result<(Parameters, Sequential, Vec<f64>)> {
    let parameters = Parameters::seeded(config.seed, &CPU);
    let model = model(&parameters);
    let outcome = fit(&model, &parameters, batches, &LOSS, config, |_| Ok(()))?;
    assert_eq!(outcome.diverged, None);
    let losses = outcome.epochs.iter().map(|epoch| epoch.train_loss).collect();
    Ok((parameters, model, losses))
}

/// A model whose logits `fail` manipulates in training.
struct Failing<F> {
    model: Sequential,
    fail: F,
}

impl<F: Fn(u64, Tensor) -> Result<Tensor> + Send + Sync> Layer for Failing<F> {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let logits = self.model.forward(xs, mode)?;
        if let Mode::Train { step, .. } = mode { (self.fail)(step, logits) } else { Ok(logits) }
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        self.model.describe(input)
    }
}

#[test]
fn training_learns_a_small_problem_with_either_optimiser_and_every_schedule() -> Result<()> {
    let sgd = OptimizerConfig::Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-4 };
    for (optimizer, schedule) in [
        (OptimizerConfig::adamw(), Schedule::one_cycle()),
        (OptimizerConfig::adamw(), Schedule::constant()),
        (sgd, Schedule::cosine()),
    ] {
        let (_, model, losses) = trained(&config(15).optimizer(optimizer).schedule(schedule))?;
        assert!(losses[14] < 0.3 * losses[0], "{losses:?}");
        let evaluation = evaluate(&model, batches(0), &LOSS)?;
        assert!(evaluation.top1 > 0.9 && evaluation.loss < 0.3, "{evaluation:?}");
        assert_eq!(evaluation.hits.len(), 41);
    }
    Ok(())
}

#[test]
fn the_weights_are_the_same_to_the_bit_on_one_thread_and_on_two() -> Result<()> {
    // Large enough that the operators share their work among the threads.
    let xs = Tensor::arange(0f32, 12. * 400., &CPU)?.sin()?.reshape((12, 1, 20, 20))?;
    let targets = Tensor::from_iter((0..12).map(|i| i % CLASSES as u32), &CPU)?;
    let on = |threads| -> Result<String> {
        let parameters = Parameters::seeded(0, &CPU);
        let stack = Stack::new(&[1, 20, 20], parameters.builder()).conv(16, 3).batch_norm().relu().max_pool(2);
        let model = stack.flatten().dropout(0.2).linear(CLASSES).build()?;
        let batches = |_| std::iter::once(Ok((xs.clone(), targets.clone())));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&model, &parameters, batches, &LOSS, &config(5), |_| Ok(())))?;
        parameters.sha256()
    };
    let one = on(1)?;
    assert_eq!(one, on(2)?);
    assert_eq!(one, on(1)?);
    Ok(())
}

#[test]
fn the_seed_of_a_run_changes_what_its_layers_draw() -> Result<()> {
    let seeded = |seed| -> Result<String> {
        let parameters = Parameters::seeded(0, &CPU);
        let model = model(&parameters);
        fit(&model, &parameters, batches, &LOSS, &config(1).seed(seed), |_| Ok(()))?;
        parameters.sha256()
    };
    assert_eq!(seeded(0)?, seeded(0)?);
    assert_ne!(seeded(0)?, seeded(1)?);
    Ok(())
}

#[test]
fn every_step_and_epoch_is_reported_in_order_with_its_rate() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let model = model(&parameters);
    let config = config(2);
    let mut seen = Vec::new();
    let (mut sum, mut epochs) = (0., Vec::new());
    let outcome = fit(&model, &parameters, batches, &LOSS, &config, |event| {
        match event {
            Event::Step { epoch, step, total_steps, loss, lr } => {
                assert_eq!(total_steps, 8);
                assert_eq!(lr, config.schedule.lr(config.lr, step, 8));
                sum += loss as f64 * if step % 4 == 3 { 5. } else { 12. };
                seen.push(format!("{epoch}:{step}"));
            }
            Event::Epoch(report) => {
                // The smaller last batch weighs less.
                assert!((report.train_loss - std::mem::take(&mut sum) / 41.).abs() < 1e-12);
                seen.push(format!("epoch {}", report.epoch));
                epochs.push(report.clone());
            }
            _ => bail!("unexpected event"),
        }
        Ok(())
    })?;
    assert_eq!(seen.join(" "), "0:0 0:1 0:2 0:3 epoch 0 1:4 1:5 1:6 1:7 epoch 1");
    assert_eq!(outcome.epochs, epochs);
    assert_eq!(epochs[1].lr, config.schedule.lr(config.lr, 7, 8));
    Ok(())
}

#[test]
fn a_number_of_updates_ends_a_run_also_within_an_epoch() -> Result<()> {
    let (_, _, whole) = trained(&config(2))?;
    let (_, _, same) = trained(&updates(8))?;
    assert_eq!(whole, same);

    let parameters = Parameters::seeded(0, &CPU);
    let model = model(&parameters);
    let config = updates(6);
    let mut rates = Vec::new();
    let outcome = fit(&model, &parameters, batches, &LOSS, &config, |event| {
        if let Event::Step { total_steps, lr, .. } = event {
            assert_eq!(total_steps, 6);
            rates.push(lr);
        }
        Ok(())
    })?;
    assert_eq!((rates.len(), rates[5]), (6, config.schedule.lr(config.lr, 5, 6)));
    assert_eq!(outcome.epochs.iter().map(|report| report.epoch).collect::<Vec<_>>(), [0, 1]);
    Ok(())
}

#[test]
fn a_loss_that_becomes_nan_ends_the_run_before_it_reaches_the_weights() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let model = model(&parameters);
    let model = Failing { model, fail: |step, logits| if step == 6 { logits * f64::NAN } else { Ok(logits) } };
    let outcome = fit(&model, &parameters, batches, &LOSS, &config(5), |_| Ok(()))?;
    assert_eq!(outcome.diverged, Some(Diverged { epoch: 1, step: 6 }));
    assert_eq!(outcome.epochs.len(), 1);
    assert!(outcome.diverged.unwrap().to_string().contains("epoch 1, step 6"));
    assert!(evaluate(&model, batches(0), &LOSS)?.loss.is_finite());
    Ok(())
}

#[test]
fn weights_that_are_not_finite_end_the_run_though_no_loss_showed_it() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let model = model(&parameters);
    // In the epoch's last step the logits stay what they are, but their gradient overflows.
    let fail = |step, logits: Tensor| {
        let zero = (&logits - logits.detach())?;
        if step == 3 { logits.detach() + ((zero * 1e30)? * 1e30)? } else { Ok(logits) }
    };
    let mut losses = Vec::new();
    let outcome = fit(&Failing { model, fail }, &parameters, batches, &LOSS, &config(5), |event| {
        if let Event::Step { loss, .. } = event {
            losses.push(loss);
        }
        Ok(())
    })?;
    assert!(losses.len() == 4 && losses[3].is_finite(), "{losses:?}");
    assert_eq!(outcome.diverged, Some(Diverged { epoch: 0, step: 3 }));
    assert!(outcome.epochs.is_empty());
    Ok(())
}

#[test]
fn an_error_from_batches_or_caller_ends_the_run() {
    let parameters = Parameters::seeded(0, &CPU);
    let model = model(&parameters);
    let broken = |_| vec![batch(0, 12), Err(candle_core::Error::msg("unreadable"))].into_iter();
    let error = fit(&model, &parameters, broken, &LOSS, &config(1), |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("unreadable"), "{error}");
    let stopped = fit(&model, &parameters, batches, &LOSS, &config(1), |_| bail!("stopped")).unwrap_err();
    assert!(stopped.to_string().contains("stopped"), "{stopped}");
}

#[test]
fn impossible_configurations_and_empty_data_are_errors() {
    let parameters = Parameters::seeded(0, &CPU);
    let model = model(&parameters);
    let run =
        |config: FitConfig| fit(&model, &parameters, batches, &LOSS, &config, |_| Ok(())).unwrap_err().to_string();
    assert!(run(config(0)).contains("0 epochs"));
    assert!(run(updates(0)).contains("0 updates"));
    assert!(run(FitConfig::new(Length::Epochs(1), 0.)).contains("learning rate"));
    assert!(run(FitConfig::new(Length::Epochs(1), f64::NAN)).contains("learning rate"));
    assert!(run(config(1).schedule(Schedule::Cosine { warmup: 1.5 })).contains("warmup"));
    let schedule = Schedule::OneCycle { warmup: 0.3, div_factor: 0., final_div_factor: 1. };
    assert!(run(config(1).schedule(schedule)).contains("positive"));
    let none = |_| Vec::<Result<Batch>>::new().into_iter();
    let empty = fit(&model, &parameters, none, &LOSS, &config(1), |_| Ok(())).unwrap_err().to_string();
    assert!(empty.contains("no batches"), "{empty}");
    let empty = fit(&model, &parameters, none, &LOSS, &updates(3), |_| Ok(())).unwrap_err().to_string();
    assert!(empty.contains("no batches"), "{empty}");
    assert!(evaluate(&model, none(0), &LOSS).unwrap_err().to_string().contains("no samples"));
    assert!(run(config(usize::MAX)).contains("more steps than can be counted"));
    let growing = |epoch| (0..=epoch as u64).map(|number| batch(number, 12)).collect::<Vec<_>>().into_iter();
    let uneven = fit(&model, &parameters, growing, &LOSS, &config(2), |_| Ok(())).unwrap_err().to_string();
    assert!(uneven.contains("epoch 1 has 2 batches, the first had 1"), "{uneven}");
}

#[test]
fn evaluation_weighs_samples_not_batches_and_changes_nothing() -> Result<()> {
    let (parameters, model, _) = trained(&config(3))?;
    let before = parameters.sha256()?;
    let split = evaluate(&model, batches(0), &LOSS)?;
    let (xs, targets): (Vec<_>, Vec<_>) = batches(0).map(|batch| batch.unwrap()).unzip();
    let whole = evaluate(&model, [Ok((Tensor::cat(&xs, 0)?, Tensor::cat(&targets, 0)?))], &LOSS)?;
    assert_eq!(split.hits, whole.hits);
    assert_eq!(split.top1, whole.top1);
    assert!((split.loss - whole.loss).abs() < 1e-6);
    assert_eq!(split.top1, split.hits.iter().filter(|&&hit| hit).count() as f64 / 41.);
    assert_eq!(parameters.sha256()?, before);
    Ok(())
}

#[test]
fn a_target_beyond_the_classes_is_an_error() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let model = model(&parameters);
    let (xs, _) = batch(0, 2)?;
    let wrong = || std::iter::once(Ok((xs.clone(), Tensor::new(&[0u32, 9], &CPU).unwrap())));
    assert!(evaluate(&model, wrong(), &LOSS).is_err());
    assert!(fit(&model, &parameters, |_| wrong(), &LOSS, &config(1), |_| Ok(())).is_err());
    Ok(())
}
