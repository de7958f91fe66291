//! Compares the classification losses with their definition.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{close, distinct, evaluate, gradient, values};

/// Logits and a class for each of 6 rows.
fn batch() -> Result<(Tensor, [u32; 6])> {
    Ok((distinct(&[6, 4], 3)?, [0, 3, 1, 1, 2, 0]))
}

#[test]
fn targets_may_be_u32_or_i64() -> Result<()> {
    let (logits, classes) = batch()?;
    for dtype in [DType::F32, DType::F64] {
        let logits = logits.to_dtype(dtype)?;
        let targets = Tensor::new(&classes, &Device::Cpu)?;
        let run = |targets: &Tensor| {
            evaluate(std::slice::from_ref(&logits), |y| y.ones_like(), |t| ops::cross_entropy(&t[0], targets))
        };
        let (loss, gradients) = run(&targets.to_dtype(DType::I64)?)?;
        let (expected, expected_gradients) = run(&targets)?;
        close("loss", &loss, &expected, 0.)?;
        close("gradient", &gradients[0], &expected_gradients[0], 0.)?;
    }
    Ok(())
}

#[test]
fn label_smoothing_mixes_the_class_with_the_uniform_distribution() -> Result<()> {
    let (logits, classes) = batch()?;
    let targets = Tensor::new(&classes, &Device::Cpu)?;
    let rows: Vec<Vec<f64>> = logits.to_vec2()?;
    for smoothing in [0., 0.1, 0.5, 1.] {
        // PyTorch's definition: the cross-entropy of the softmax and (1 − ε)·one-hot + ε/K.
        let target = |row: usize, class: usize| {
            let one_hot = f64::from(u8::from(classes[row] as usize == class));
            (1. - smoothing) * one_hot + smoothing / 4.
        };
        let (mut loss, mut dx) = (0., Vec::new());
        for (i, row) in rows.iter().enumerate() {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            for (class, x) in row.iter().enumerate() {
                loss -= target(i, class) * (x - sum.ln()) / 6.;
                dx.push((x.exp() / sum - target(i, class)) / 6.);
            }
        }
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-12)] {
            let logits = logits.to_dtype(dtype)?;
            let smoothed = |x: &Tensor| ops::cross_entropy_smoothed(x, &targets, smoothing);
            let actual = values(&smoothed(&logits)?)?[0];
            assert!((actual - loss).abs() < tolerance * loss.max(1.), "{actual} instead of {loss}");
            let expected = Tensor::from_slice(&dx, (6, 4), &Device::Cpu)?;
            close("gradient", &gradient(&logits, smoothed)?, &expected, tolerance)?;
        }
    }
    Ok(())
}

#[test]
fn without_smoothing_the_loss_is_the_plain_cross_entropy_to_the_bit() -> Result<()> {
    let (logits, classes) = batch()?;
    let (logits, targets) = (logits.to_dtype(DType::F32)?, Tensor::new(&classes, &Device::Cpu)?);
    let [smoothed, plain] =
        [ops::cross_entropy_smoothed(&logits, &targets, 0.)?, ops::cross_entropy(&logits, &targets)?];
    assert_eq!(smoothed.to_scalar::<f32>()?.to_bits(), plain.to_scalar::<f32>()?.to_bits());
    Ok(())
}
