//! A run that is stopped and goes on from its checkpoint ends like one that is not.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread::sleep,
    time::Duration,
};

use candle_core::{Device, Result, Tensor, bail};
use layers::{Sequential, Stack};
use rand_chacha::rand_core::Rng;
use training::{
    Checkpoints, Event, FitConfig, FitOutcome, Length, Loss, OptimizerConfig, Parameters, Schedule, Validation, fit,
    fit_resumable,
};

const CPU: Device = Device::Cpu;
const LOSS: Loss = Loss::CrossEntropy { label_smoothing: 0. };
const RUN: &str = "noise, seed 7";

/// Returns three full batches and a smaller one, in another order in every epoch.
fn batches(epoch: usize) -> std::vec::IntoIter<Result<(Tensor, Tensor)>> {
    let batch = |number: u64| -> Result<(Tensor, Tensor)> {
        let size = if number == 3 { 3 } else { 8 };
        let mut random = layers::rng(5, "images", number + 10 * epoch as u64);
        let pixels: Vec<f32> = (0..size * 36).map(|_| random.next_u32() as f32 / u32::MAX as f32).collect();
        let targets: Vec<u32> = (0..size).map(|i| i as u32 % 3).collect();
        Ok((Tensor::from_vec(pixels, (size, 1, 6, 6), &CPU)?, Tensor::new(targets, &CPU)?))
    };
    (0..4).map(batch).collect::<Vec<_>>().into_iter()
}

/// A network with everything that has a state: running statistics, and masks that depend on the step.
fn network(hidden: usize) -> (Parameters, Sequential) {
    let parameters = Parameters::seeded(7, &CPU);
    let stack = Stack::new(&[1, 6, 6], parameters.builder()).conv(hidden, 3).batch_norm().relu().flatten();
    let model = stack.dropout(0.2).linear(3).build().unwrap();
    (parameters, model)
}

/// Two epochs of four steps and a third of one.
fn config(optimizer: OptimizerConfig) -> FitConfig {
    FitConfig::new(Length::Updates(9), 0.03).seed(7).schedule(Schedule::one_cycle()).optimizer(optimizer)
}

fn note_validation(event: Event) {
    if let Event::Epoch(report) = event {
        report.validation =
            Some(Validation { top1: report.train_loss / 3., loss: f64::from(report.epoch as u32), auroc: None });
    }
}

/// Goes on for at most `steps` steps and returns the hash of the weights.
fn go_on(path: &Path, config: &FitConfig, steps: u64) -> Result<(FitOutcome, String)> {
    let (parameters, model) = network(4);
    let stop = AtomicBool::new(false);
    let checkpoints = Checkpoints::new(path, RUN).stop_on(&stop);
    let mut left = steps;
    let outcome = fit_resumable(&model, &parameters, batches, &LOSS, config, &checkpoints, |event| {
        if let Event::Step { .. } = event {
            left -= 1;
            stop.store(left == 0, Ordering::Relaxed);
        }
        note_validation(event);
        Ok(())
    })?;
    Ok((outcome, parameters.sha256()?))
}

#[test]
fn a_run_stopped_after_any_step_ends_with_the_weights_and_the_curve_of_one_that_was_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let sgd = OptimizerConfig::Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-4 };
    for (number, optimizer) in [OptimizerConfig::adamw(), OptimizerConfig::sgd(), sgd].into_iter().enumerate() {
        let config = config(optimizer);
        let (parameters, model) = network(4);
        let whole = fit(&model, &parameters, batches, &LOSS, &config, |event| {
            note_validation(event);
            Ok(())
        })?;
        let expected = parameters.sha256()?;
        for stops_after in 1..=9 {
            let path = folder.path().join(format!("{number}-{stops_after}.safetensors"));
            let (stopped, weights) = go_on(&path, &config, stops_after)?;
            assert_eq!(stopped.stopped, Some(stops_after));
            assert_eq!(weights == expected, stops_after == 9);
            let (resumed, weights) = go_on(&path, &config, u64::MAX)?;
            assert_eq!((resumed.stopped, weights.as_str()), (None, expected.as_str()), "after step {stops_after}");
            assert_eq!(resumed.epochs, whole.epochs);
        }
        // After every single step.
        let path = folder.path().join(format!("{number}.safetensors"));
        let last = loop {
            let (outcome, weights) = go_on(&path, &config, 1)?;
            if outcome.stopped.is_none() {
                break (outcome.epochs, weights);
            }
        };
        assert_eq!(last, (whole.epochs, expected));
    }
    Ok(())
}

#[test]
fn a_run_that_goes_on_says_where() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run.safetensors");
    let config = config(OptimizerConfig::adamw());
    go_on(&path, &config, 6)?;
    let (parameters, model) = network(4);
    let checkpoints = Checkpoints::new(&path, RUN);
    assert_eq!(checkpoints.check(&parameters, &config).unwrap(), Some(6));
    let mut events = Vec::new();
    fit_resumable(&model, &parameters, batches, &LOSS, &config, &checkpoints, |event| {
        events.push(match event {
            Event::Resumed { epoch, step, total_steps } => format!("{epoch}:{step} of {total_steps}"),
            Event::Step { epoch, step, .. } => format!("{epoch}:{step}"),
            Event::Epoch(report) => format!("end of {}", report.epoch),
            _ => unreachable!(),
        });
        Ok(())
    })?;
    assert_eq!(events, ["1:6 of 9", "1:6", "1:7", "end of 1", "2:8", "end of 2"]);
    Ok(())
}

#[test]
fn checkpoints_of_a_short_run_are_not_worth_their_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run.safetensors");
    go_on(&path, &config(OptimizerConfig::adamw()), u64::MAX)?;
    assert!(!path.exists());
    let (parameters, _) = network(4);
    let checkpoints = Checkpoints::new(&path, RUN);
    assert_eq!(checkpoints.check(&parameters, &config(OptimizerConfig::adamw())).unwrap(), None);
    Ok(())
}

#[test]
fn a_checkpoint_is_saved_within_an_epoch_that_takes_longer_than_the_interval() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(OptimizerConfig::adamw());
    for (interval, expected) in [(Duration::ZERO, Some(2)), (Duration::from_secs(60), None)] {
        let path = folder.path().join(format!("{interval:?}.safetensors"));
        let (parameters, model) = network(4);
        let checkpoints = Checkpoints::new(&path, RUN).interval(interval);
        let killed = fit_resumable(&model, &parameters, batches, &LOSS, &config, &checkpoints, |event| match event {
            // Longer than a hundred times what saving is assumed to take.
            Event::Step { step: 1, .. } => {
                sleep(Duration::from_millis(600));
                Ok(())
            }
            Event::Step { step: 2, .. } => bail!("killed"),
            _ => Ok(()),
        });
        assert!(killed.is_err_and(|error| error.to_string().contains("killed")));
        assert_eq!(checkpoints.check(&network(4).0, &config).unwrap(), expected);
    }
    Ok(())
}

#[test]
fn a_file_that_is_not_the_checkpoint_of_this_run_is_refused_and_left_as_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run.safetensors");
    let ours = config(OptimizerConfig::adamw());
    go_on(&path, &ours, 6)?;
    let good = fs::read(&path)?;
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let find = |part: &[u8]| good.windows(part.len()).position(|window| window == part).unwrap();
    let later = {
        let mut bytes = good.clone();
        bytes[find(b"checkpoint_format\":\"1") + 20] = b'2';
        bytes
    };
    let weights = folder.path().join("weights.safetensors");
    network(4).0.save(&weights)?;
    let others = [
        (good[..good.len() / 2].to_vec(), "not a complete checkpoint"),
        (Vec::new(), "not a complete checkpoint"),
        (b"my shopping list".to_vec(), "not a complete checkpoint"),
        (flipped, "do not have the hash"),
        (later, "format 2; this version reads format 1"),
        (fs::read(&weights)?, "no `checkpoint_format`"),
    ];
    let untouched = network(4).0.sha256()?;
    for (bytes, reason) in others {
        fs::write(&path, &bytes)?;
        let (parameters, model) = network(4);
        let checkpoints = Checkpoints::new(&path, RUN);
        let error = checkpoints.check(&parameters, &ours).unwrap_err().to_string();
        assert!(error.contains("run.safetensors: ") && error.contains(reason), "{error}");
        let fitted = fit_resumable(&model, &parameters, batches, &LOSS, &ours, &checkpoints, |_| Ok(()));
        assert!(fitted.unwrap_err().to_string().contains(reason));
        assert_eq!((fs::read(&path)?, parameters.sha256()?), (bytes, untouched.clone()));
    }

    fs::write(&path, &good)?;
    let check = |run: &str, config: &FitConfig, hidden| {
        Checkpoints::new(&path, run).check(&network(hidden).0, config).unwrap_err().to_string()
    };
    assert!(check("noise, seed 8", &ours, 4).contains("another run: noise, seed 7; expected: noise, seed 8"));
    assert!(check(RUN, &config(OptimizerConfig::sgd()), 4).contains("another run"));
    assert!(check(RUN, &ours, 5).contains("does not fit the model: parameters."));
    fs::remove_file(&path)?;
    fs::create_dir(&path)?;
    assert!(check(RUN, &ours, 4).contains("not a regular file"));
    Ok(())
}

#[test]
fn a_checkpoint_that_cannot_be_saved_ends_the_run_and_names_the_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let error = go_on(&folder.path().join("no/such/folder"), &config(OptimizerConfig::adamw()), 2).unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
    Ok(())
}
