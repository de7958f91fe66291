//! Models and losses from outside: a network with two inputs, one of candle-nn's layers, and the losses' definitions.

use candle_core::{DType, Device, Result, Tensor, Var, bail};
use candle_nn::{Linear, Module, VarBuilder, linear};
use rand_chacha::rand_core::Rng;
use training::{Batch, FitConfig, Length, Loss, Mode, Model, Parameters, Schedule, evaluate, fit};

const CPU: Device = Device::Cpu;

/// Predicts from two inputs whether they belong together.
struct Pair {
    left: Linear,
    right: Linear,
    output: Linear,
}

impl Pair {
    fn new(vb: VarBuilder) -> Result<Self> {
        let (left, right) = (linear(2, 8, vb.pp("left"))?, linear(3, 8, vb.pp("right"))?);
        Ok(Self { left, right, output: linear(8, 1, vb.pp("output"))? })
    }
}

impl Model for Pair {
    fn forward(&self, inputs: &[Tensor], _mode: Mode) -> Result<Tensor> {
        let [left, right] = inputs else { bail!("expected 2 inputs, not {}", inputs.len()) };
        self.output.forward(&(self.left.forward(left)? + self.right.forward(right)?)?.relu()?)
    }
}

/// Classifies the bits of an exclusive or.
struct Xor {
    hidden: Linear,
    output: Linear,
}

impl Xor {
    fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Self { hidden: linear(2, 16, vb.pp("hidden"))?, output: linear(16, 2, vb.pp("output"))? })
    }
}

impl Model for Xor {
    fn forward(&self, inputs: &[Tensor], _mode: Mode) -> Result<Tensor> {
        self.output.forward(&self.hidden.forward(&inputs[0])?.relu()?)
    }
}

/// Returns pairs that belong together if the first value of one side exceeds that of the other.
fn pairs(count: usize) -> Result<Batch> {
    let mut random = layers::rng(1, "pairs", 0);
    let mut values =
        |len: usize| (0..len).map(|_| random.next_u32() as f32 / u32::MAX as f32 - 0.5).collect::<Vec<_>>();
    let (left, right) = (values(2 * count), values(3 * count));
    let targets: Vec<f32> = (0..count).map(|i| f32::from(left[2 * i] > right[3 * i])).collect();
    let (left, right) = (Tensor::from_vec(left, (count, 2), &CPU)?, Tensor::from_vec(right, (count, 3), &CPU)?);
    Ok(Batch::from(([left, right], Tensor::new(targets, &CPU)?)))
}

fn xor() -> Result<(Tensor, Tensor)> {
    let bits = Tensor::new(&[[0f32, 0.], [0., 1.], [1., 0.], [1., 1.]], &CPU)?;
    Ok((bits, Tensor::new(&[0u32, 1, 1, 0], &CPU)?))
}

fn config(epochs: usize) -> FitConfig {
    FitConfig::new(Length::Epochs(epochs), 0.03).schedule(Schedule::one_cycle())
}

fn scalar(value: &Tensor) -> f64 {
    value.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

fn close(ours: f64, exact: f64) {
    assert!((ours - exact).abs() < 1e-6, "{ours} is not {exact}");
}

#[test]
fn a_model_of_two_inputs_learns_by_binary_cross_entropy() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let model = Pair::new(parameters.builder())?;
    let batches = |_epoch| [pairs(64)].into_iter();
    let loss = Loss::BinaryCrossEntropy;
    let before = evaluate(&model, batches(0), &loss)?;
    let outcome = fit(&model, &parameters, batches, &loss, &config(150), |_| Ok(()))?;
    let after = evaluate(&model, batches(0), &loss)?;
    assert_eq!(outcome.diverged, None);
    assert!(after.loss < 0.2 && after.loss < before.loss && after.top1 > 0.95, "{before:?} {after:?}");
    assert_eq!((after.hits.len(), after.predictions.len()), (64, 64));
    assert!(outcome.epochs[149].train_loss < 0.2);
    Ok(())
}

#[test]
fn a_model_of_candles_layers_learns_by_smoothed_cross_entropy() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let model = Xor::new(parameters.builder())?;
    let batches = |_epoch| std::iter::once(xor());
    let (unsmoothed, smoothed) = (Loss::default(), Loss::CrossEntropy { label_smoothing: 0.1 });
    fit(&model, &parameters, batches, &smoothed, &config(300), |_| Ok(()))?;
    let evaluation = evaluate(&model, batches(0), &smoothed)?;
    assert_eq!(evaluation.top1, 1.);
    // The smallest loss is the entropy of the target distribution (0.95, 0.05). The logits are then log 19 apart, where
    // the unsmoothed loss is −log 0.95.
    let entropy = -(0.95f64 * 0.95f64.ln() + 0.05 * 0.05f64.ln());
    assert!((entropy..entropy + 0.01).contains(&evaluation.loss), "{}", evaluation.loss);
    assert!((evaluate(&model, batches(0), &unsmoothed)?.loss + 0.95f64.ln()).abs() < 0.02);
    Ok(())
}

#[test]
fn a_layer_is_a_model_of_one_input_and_says_so_to_two() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let layer = layers::Stack::new(&[2], parameters.builder()).linear(1).build()?;
    let model: &dyn Model = &layer;
    let xs = Tensor::zeros((3, 2), DType::F32, &CPU)?;
    assert_eq!(model.forward(std::slice::from_ref(&xs), Mode::Inference)?.dims(), [3, 1]);
    let error = model.forward(&[xs.clone(), xs], Mode::Inference).unwrap_err().to_string();
    assert!(error.contains("1 input, the batch has 2"), "{error}");
    Ok(())
}

#[test]
fn label_smoothing_is_pytorchs_in_value_and_gradient() -> Result<()> {
    let (values, classes) = ([[2f64, -1., 0.5], [80., 0., -90.], [0.25, 0.25, 0.25]], [0usize, 2, 1]);
    let logits = Var::new(&values.map(|row| row.map(|x| x as f32)), &CPU)?;
    let targets = Tensor::new(&classes.map(|class| class as u32), &CPU)?;
    for smoothing in [0.1, 0.5, 1.] {
        let loss = Loss::CrossEntropy { label_smoothing: smoothing }.forward(&logits, &targets)?;
        let gradient = loss.backward()?.remove(&logits).unwrap().to_vec2::<f32>()?;
        let mut mean = 0.;
        for ((row, class), gradient) in values.iter().zip(classes).zip(gradient) {
            let max = row.iter().fold(f64::MIN, |max, x| max.max(*x));
            let logsumexp = max + row.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
            for (k, x) in row.iter().enumerate() {
                let target = smoothing / 3. + if k == class { 1. - smoothing } else { 0. };
                mean += target * (logsumexp - x) / 3.;
                close(gradient[k].into(), ((x - logsumexp).exp() - target) / 3.);
            }
        }
        assert!((scalar(&loss) - mean).abs() < 1e-6 * mean.max(1.), "{} is not {mean}", scalar(&loss));
    }
    Ok(())
}

#[test]
fn cross_entropy_without_smoothing_is_the_operators_to_the_bit() -> Result<()> {
    let logits = Tensor::arange(0f32, 60., &CPU)?.sin()?.reshape((20, 3))?;
    let targets = Tensor::from_iter((0..20).map(|i| i % 3u32), &CPU)?;
    let bits = |loss: Tensor| loss.to_scalar::<f32>().map(f32::to_bits);
    let ours = bits(Loss::default().forward(&logits, &targets)?)?;
    assert_eq!(ours, bits(ops::cross_entropy(&logits, &targets)?)?);
    Ok(())
}

#[test]
fn binary_cross_entropy_takes_columns_and_soft_targets() -> Result<()> {
    let logits = Var::new(&[-2f32, 0., 3., 200.], &CPU)?;
    let targets = Tensor::new(&[0f32, 1., 0.25, 1.], &CPU)?;
    let exact: f64 = [(-2f64, 0.), (0., 1.), (3., 0.25), (200., 1.)]
        .iter()
        .map(|(x, y)| x.max(0.) - x * y + (-x.abs()).exp().ln_1p())
        .sum();
    for (logits, targets) in [
        (logits.as_tensor().clone(), targets.clone()),
        (logits.unsqueeze(1)?, targets.clone()),
        (logits.as_tensor().clone(), targets.unsqueeze(1)?),
    ] {
        close(scalar(&Loss::BinaryCrossEntropy.forward(&logits, &targets)?), exact / 4.);
    }
    Ok(())
}

#[test]
fn binary_accuracy_has_its_threshold_at_a_sigmoid_of_one_half() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let identity = layers::Stack::new(&[1], parameters.builder()).linear(1).build()?;
    for (name, variable) in parameters.all() {
        variable.set(&if name.ends_with("weight") { variable.ones_like()? } else { variable.zeros_like()? })?;
    }
    let xs = Tensor::new(&[[-0.1f32], [0.], [0.1], [5.]], &CPU)?;
    let targets = Tensor::new(&[[0f32], [0.4], [1.], [0.]], &CPU)?;
    let evaluation = evaluate(&identity, [Ok((xs, targets))], &Loss::BinaryCrossEntropy)?;
    assert_eq!(evaluation.predictions, [Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!(evaluation.hits, [true, true, true, false]);
    assert_eq!(evaluation.top1, 0.75);
    assert_eq!(evaluation.scores, [-0.1, 0., 0.1, 5.]);
    Ok(())
}

#[test]
fn targets_and_settings_that_a_loss_cannot_use_are_errors() -> Result<()> {
    let error = |loss: Loss, logits: &Tensor, targets: &Tensor| loss.forward(logits, targets).unwrap_err().to_string();
    let (binary, logits) = (Loss::BinaryCrossEntropy, Tensor::new(&[0f32, 1.], &CPU)?);
    assert!(error(binary, &logits, &Tensor::new(&[0f32, 1.5], &CPU)?).contains("a target is 1.5"));
    assert!(error(binary, &logits, &Tensor::new(&[f32::NAN, 1.], &CPU)?).contains("NaN"));
    assert!(error(binary, &logits, &Tensor::new(&[0u32, 1], &CPU)?).contains("U32"));
    assert!(error(binary, &logits, &Tensor::new(&[0f32], &CPU)?).contains("[2] and targets [1]"));
    assert!(
        error(binary, &Tensor::zeros((1, 2), DType::F32, &CPU)?, &Tensor::zeros((1, 2), DType::F32, &CPU)?)
            .contains("(N, 1)")
    );
    let (bits, classes) = xor()?;
    for label_smoothing in [-0.1, 1.1, f64::NAN] {
        let loss = Loss::CrossEntropy { label_smoothing };
        assert!(error(loss, &bits, &classes).contains("label smoothing"));
        let parameters = Parameters::seeded(0, &CPU);
        let model = Xor::new(parameters.builder())?;
        assert!(fit(&model, &parameters, |_| std::iter::once(xor()), &loss, &config(1), |_| Ok(())).is_err());
    }
    Ok(())
}
