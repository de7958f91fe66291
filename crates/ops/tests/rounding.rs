//! Bounds on the rounding of Winograd's algorithm at the numbers of channels of real networks.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{distinct, values};
use ops::prepared::{Conv2d, Prepared};
use ops::{Epilogue, Window};

/// Returns values of about normal distribution, each the sum of four uniform ones, as f32.
fn normal(shape: &[usize], seed: u64) -> Result<Tensor> {
    let len = shape.iter().product::<usize>() as f64;
    let uniform = |seed| distinct(shape, seed)? * (20. / len);
    let sum = ((uniform(seed)? + uniform(seed + 1)?)? + (uniform(seed + 2)? + uniform(seed + 3)?)?)?;
    sum.to_dtype(DType::F32)
}

/// Returns the largest rounding error of the outputs, in units of f32's rounding of a typical output.
fn error(y: &Tensor, expected: &Tensor) -> Result<f64> {
    let expected = values(expected)?;
    let deviation = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64).sqrt();
    let largest = values(y)?.iter().zip(&expected).map(|(a, e)| (a - e).abs()).fold(0., f64::max);
    Ok(largest / (deviation * f32::EPSILON as f64))
}

/// F(4×4, 3×3) runs in inference, F(2×2, 3×3) in training.
#[test]
fn winograds_algorithm_rounds_within_its_bound_at_128_to_512_channels() -> Result<()> {
    for channels in [128, 256, 512] {
        let (x, weight) = (normal(&[1, channels, 12, 12], 1)?, normal(&[16, channels, 3, 3], 11)?);
        let (window, f64s) = (Window::conv(3).padding(1), DType::F64);
        let expected = ops::conv2d(&x.to_dtype(f64s)?, &weight.to_dtype(f64s)?, None, &window.into())?;
        let training = ops::conv2d(&x, &weight, None, &window.into())?;
        let prepared = Conv2d::new(&weight, None, &window, Epilogue::None, [channels, 12, 12])?;
        let mut y = vec![0.; expected.elem_count()];
        prepared.run(&x.flatten_all()?.to_vec1()?, &mut y)?;
        let inference = Tensor::from_vec(y, expected.shape(), &Device::Cpu)?;
        let same = values(&inference)?.iter().zip(values(&training)?).filter(|(a, b)| **a == *b).count();
        assert!(same < expected.elem_count() / 2, "both passes seem to run the same algorithm");
        let [of_training, of_inference] = [error(&training, &expected)?, error(&inference, &expected)?];
        println!("{channels} channels: F(2x2) {of_training:.1}, F(4x4) {of_inference:.1}");
        assert!(of_training < 16., "F(2x2) is off by {of_training} at {channels} channels");
        assert!(of_inference < 32., "F(4x4) is off by {of_inference} at {channels} channels");
    }
    Ok(())
}
