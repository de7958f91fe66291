//! Sums over 65,536 values and more in the half types: results and gradients are those of f64, up to one rounding. In
//! its own type a sum of ones stalls at 256 in bf16 and at 2,048 in f16.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{evaluate, integers, values};
use ops::{BatchStatistics, Conv2dConfig, Window};

/// The number of values of each sum.
const SUMMED: usize = 1 << 16;

/// Returns values from `least` on in steps of 1/8, which both half types hold exactly; their sum does not vanish.
fn eighths(shape: &[usize], seed: u64, least: f64) -> Result<Tensor> {
    (integers(shape, seed)?.to_dtype(DType::F64)? + 2.)?.affine(0.125, least)
}

/// Returns the distance of the values, less the rounding of the smallest ones, relative to the largest.
fn distance(actual: &Tensor, expected: &Tensor) -> Result<f64> {
    // Values below 2^-14 are multiples of 2^-24 in f16.
    let rounding = if actual.dtype() == DType::F16 { 2f64.powi(-25) } else { 0. };
    assert_eq!(actual.dims(), expected.dims());
    let (actual, expected) = (values(actual)?, values(expected)?);
    let scale = expected.iter().fold(f64::MIN_POSITIVE, |scale, v| scale.max(v.abs()));
    let distances = actual.iter().zip(&expected).map(|(a, e)| if a.is_nan() { f64::INFINITY } else { (a - e).abs() });
    Ok((distances.fold(0., f64::max) - rounding).max(0.) / scale)
}

/// Fails unless `f` and its gradients in both half types are those in f64, up to the rounding of the type.
fn same(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let run = |dtype: DType| {
        let inputs = inputs.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        evaluate(&inputs, |y| eighths(y.dims(), 99, 0.5)?.to_dtype(dtype), &f)
    };
    let (expected, expected_gradients) = run(DType::F64)?;
    // A rounding of the type, and for composed operators those of f32 in between.
    for (dtype, tolerance) in [(DType::F16, 1.2e-3), (DType::BF16, 9e-3), (DType::F32, 3e-4)] {
        let (y, gradients) = run(dtype)?;
        let results = std::iter::once((&y, &expected)).chain(gradients.iter().zip(&expected_gradients));
        for (i, (actual, expected)) in results.enumerate() {
            let distance = distance(actual, expected)?;
            let what = if i == 0 { "the result".to_owned() } else { format!("gradient {}", i - 1) };
            assert!(distance <= tolerance, "{what} of {name} in {dtype:?} is off by {distance:e}");
        }
    }
    Ok(())
}

#[test]
fn poolings_sum_in_f32() -> Result<()> {
    let x = [eighths(&[1, 2, 256, 256], 1, 0.25)?];
    let window = Window::pool(256);
    same("global_avg_pool", &x, |t| ops::global_avg_pool(&t[0]))?;
    same("avg_pool2d", &x, |t| ops::avg_pool2d(&t[0], &window))?;
    same("the composed avg_pool2d", &[x[0].narrow(1, 0, 1)?], |t| {
        // A window of 256 × 256 takes the composition as many passes over its input.
        ops::composed::avg_pool2d(&t[0].reshape((1, 1, 1, SUMMED))?.narrow(3, 0, 4096)?, &Window::row(4096, 1, 0))
    })?;
    let whole = 0..256;
    same("adaptive_avg_pool2d", &x, |t| ops::adaptive_avg_pool2d(&t[0], [1, 1]))?;
    same("the composed adaptive_avg_pool2d", &x, |t| {
        ops::composed::adaptive_avg_pool2d(&t[0], std::slice::from_ref(&whole), std::slice::from_ref(&whole))
    })?;
    let two = Tensor::new(&[2f64], &Device::Cpu)?;
    same("gem_pool", &[x[0].clone(), two.clone()], |t| ops::gem_pool(&t[0], &t[1]))?;
    same("lse_pool", &[x[0].clone(), two], |t| ops::lse_pool(&t[0], &t[1]))
}

#[test]
fn gradients_of_max_pooling_are_summed_in_f32() -> Result<()> {
    // All windows see the one large value in the middle, so its gradient is a sum of 257 × 257 gradients.
    let x = eighths(&[1, 1, 513, 513], 1, -2.)?;
    let spike = Tensor::ones((1, 1, 1, 1), DType::F64, &Device::Cpu)?.affine(16., 0.)?;
    let x = [(x + spike.pad_with_zeros(2, 256, 256)?.pad_with_zeros(3, 256, 256)?)?];
    let row = [x[0].flatten_all()?.narrow(0, 256 * 513, 513)?.reshape((1, 1, 1, 513))?];
    same("max_pool2d over a row", &row, |t| ops::max_pool2d(&t[0], &Window::row(257, 1, 0)))?;
    same("the composed max_pool2d", &row, |t| ops::composed::max_pool2d(&t[0], &Window::row(257, 1, 0)))?;
    same("adaptive_max_pool2d", &x, |t| ops::adaptive_max_pool2d(&t[0], [1, 1]))?;
    same("global_max_pool", &x, |t| ops::global_max_pool(&t[0]))
}

#[test]
fn batch_normalisation_sums_in_f32() -> Result<()> {
    let x = [eighths(&[4, 2, 128, 128], 1, 0.25)?, eighths(&[2], 2, 0.5)?, eighths(&[2], 3, 0.5)?];
    same("batch_norm_train", &x, |t| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, false)?.0))?;
    let statistics = |which: fn(BatchStatistics) -> Tensor| {
        move |t: &[Tensor]| -> Result<Tensor> {
            let (ys, statistics) = ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, false)?;
            // The statistics have no gradient; the sum connects the inputs.
            let sums = ys.to_dtype(DType::F64)?.sum(0)?.sum(1)?.sum(1)?.to_dtype(ys.dtype())?;
            which(statistics) + (&sums * sums.zeros_like()?)?
        }
    };
    same("the mean", &x, statistics(|statistics| statistics.mean))?;
    same("the variance", &x, statistics(|statistics| statistics.var))?;
    same("batch_norm", &x, |t| {
        let statistics = BatchStatistics { mean: t[1].detach(), var: t[2].detach() };
        ops::batch_norm(&t[0], &t[1], &t[2], &statistics, 1e-5, true)
    })
}

#[test]
fn softmax_and_losses_sum_in_f32() -> Result<()> {
    let row = [eighths(&[2, SUMMED], 1, -0.5)?];
    let targets = Tensor::new(&[7u32, SUMMED as u32 - 1], &Device::Cpu)?;
    same("softmax", &row, |t| ops::softmax(&t[0]))?;
    same("cross_entropy of many classes", &row, |t| ops::cross_entropy(&t[0], &targets))?;
    same("the composed cross_entropy", &row, |t| ops::composed::cross_entropy(&t[0], &targets))?;
    same("cross_entropy_smoothed", &row, |t| ops::cross_entropy_smoothed(&t[0], &targets, 0.25))?;
    let column = [eighths(&[SUMMED, 2], 1, -0.5)?];
    let targets = Tensor::from_iter((0..SUMMED as u32).map(|i| i % 2), &Device::Cpu)?;
    same("cross_entropy of many rows", &column, |t| ops::cross_entropy(&t[0], &targets))?;
    same("the composed cross_entropy of many rows", &column, |t| ops::composed::cross_entropy(&t[0], &targets))?;
    let soft = row[0].ge(-0.25)?.to_dtype(DType::F64)?;
    same("bce_with_logits", &row, |t| ops::bce_with_logits(&t[0], &soft.to_dtype(t[0].dtype())?))
}

#[test]
fn gradients_of_weights_and_biases_are_summed_in_f32() -> Result<()> {
    let config = Conv2dConfig::default();
    let t = [eighths(&[4, 1, 129, 129], 1, 0.25)?, eighths(&[1, 1, 2, 2], 2, 0.5)?, eighths(&[1], 3, 0.5)?];
    let window = Window::conv(2);
    same("conv2d", &t, |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), &config))?;
    same("the composed conv2d", &t, |t| ops::composed::conv2d(&t[0], &t[1], Some(&t[2]), &window))?;
    same("depthwise_conv2d", &t, |t| ops::depthwise_conv2d(&t[0], &t[1], Some(&t[2]), &window))?;
    same("the composed depthwise_conv2d", &t, |t| ops::composed::depthwise_conv2d(&t[0], &t[1], Some(&t[2]), &window))?;
    let t = [eighths(&[SUMMED, 2], 1, 0.25)?, eighths(&[3, 2], 2, 0.5)?, eighths(&[3], 3, 0.5)?];
    same("linear", &t, |t| ops::linear(&t[0], &t[1], Some(&t[2])))?;
    same("the composed linear", &t, |t| ops::composed::linear(&t[0], &t[1], Some(&t[2])))
}
