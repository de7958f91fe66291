//! Bounds on the rounding of Winograd's algorithm at the numbers of channels of real networks.

mod common;

use candle_core::{DType, Result, Tensor};
use common::{distinct, values};
use ops::prepared::{Conv2d, Prepared};
use ops::{Epilogue, Window};

/// The height and width of the images.
const SIDE: usize = 12;

/// Returns values of about normal distribution, each the sum of four uniform ones, as f32.
fn normal(shape: &[usize], seed: u64) -> Result<Tensor> {
    let len = shape.iter().product::<usize>() as f64;
    let uniform = |seed| distinct(shape, seed)? * (20. / len);
    let sum = ((uniform(seed)? + uniform(seed + 1)?)? + (uniform(seed + 2)? + uniform(seed + 3)?)?)?;
    sum.to_dtype(DType::F32)
}

/// Returns the root mean square and the largest rounding error of the outputs, in units of f32's rounding of a typical
/// output.
fn errors(y: &[f32], expected: &[f64]) -> [f64; 2] {
    assert_eq!(y.len(), expected.len());
    let mean_square = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
    let errors: Vec<f64> = y.iter().zip(expected).map(|(&a, e)| (a as f64 - e).abs()).collect();
    let unit = mean_square(expected).sqrt() * f32::EPSILON as f64;
    [mean_square(&errors).sqrt(), errors.iter().copied().fold(0., f64::max)].map(|error| error / unit)
}

/// Computes a 3×3 convolution with padding 1 of one image (C, SIDE, SIDE) by its definition, each output as one sum in
/// f32.
fn plain_sums(x: &[f32], weight: &[f32], channels: usize) -> Vec<f32> {
    let outputs = weight.len() / (9 * channels);
    let mut y = vec![0.; outputs * SIDE * SIDE];
    for (i, y) in y.iter_mut().enumerate() {
        let (output, row, column) = (i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE);
        for channel in 0..channels {
            for tap in 0..9 {
                let [read_row, read_column] = [row + tap / 3, column + tap % 3];
                if (1..=SIDE).contains(&read_row) && (1..=SIDE).contains(&read_column) {
                    let pixel = x[(channel * SIDE + read_row - 1) * SIDE + read_column - 1];
                    *y += pixel * weight[(output * channels + channel) * 9 + tap];
                }
            }
        }
    }
    y
}

/// F(4×4, 3×3) runs in inference, where its error is to be about twice that of a plain sum (1.3 to 1.6 times with AVX-512,
/// 2.2 times without fused multiplication), and F(2×2, 3×3) in training, where it is to be none the larger.
#[test]
fn winograds_algorithm_rounds_within_its_bound_at_128_to_512_channels() -> Result<()> {
    for channels in [128, 256, 512] {
        let (x, weight) = (normal(&[1, channels, SIDE, SIDE], 1)?, normal(&[16, channels, 3, 3], 11)?);
        let (window, exact) = (Window::conv(3).padding(1), DType::F64);
        let expected = values(&ops::conv2d(&x.to_dtype(exact)?, &weight.to_dtype(exact)?, None, &window.into())?)?;
        let training: Vec<f32> = ops::conv2d(&x, &weight, None, &window.into())?.flatten_all()?.to_vec1()?;
        let (x, flat): (Vec<f32>, Vec<f32>) = (x.flatten_all()?.to_vec1()?, weight.flatten_all()?.to_vec1()?);
        let prepared = Conv2d::new(&weight, None, &window, Epilogue::None, [channels, SIDE, SIDE])?;
        let mut inference = vec![0.; expected.len()];
        prepared.run(&x, &mut inference)?;
        let same = inference.iter().zip(&training).filter(|(a, b)| a == b).count();
        assert!(same < expected.len() / 2, "both passes seem to run the same algorithm");

        let plain = errors(&plain_sums(&x, &flat, channels), &expected);
        let [of_training, of_inference] = [&training, &inference].map(|y| errors(y, &expected));
        eprintln!("{channels} channels: plain {plain:.1?}, F(2x2) {of_training:.1?}, F(4x4) {of_inference:.1?}");
        for i in 0..2 {
            assert!(of_training[i] < 1.2 * plain[i], "F(2x2) is off by {of_training:?} at {channels} channels");
            assert!(of_inference[i] < 2.5 * plain[i], "F(4x4) is off by {of_inference:?} at {channels} channels");
        }
    }
    Ok(())
}
