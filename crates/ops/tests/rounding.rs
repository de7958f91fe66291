//! Bounds on the rounding of Winograd's algorithm at the numbers of channels of real networks.

mod common;

use candle_core::{DType, Result, Tensor, Var};
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

/// F(4×4, 3×3) runs in inference for any number of channels, and its error is to be at most 2.5 times that of a plain sum
/// where there are many (1.2 to 1.5 times with AVX-512). With 16 output channels F(2×2, 3×3) runs in training, and its
/// error is to be none the larger.
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

/// The values of one convolution with padding 1 and of its gradients.
struct Pass {
    y: Tensor,
    dx: Tensor,
    dw: Tensor,
}

/// Computes a convolution with padding 1 and its gradients for the gradient `dy` of the result.
fn pass(x: &Tensor, weight: &Tensor, dy: &Tensor) -> Result<Pass> {
    let (x, weight) = (Var::from_tensor(x)?, Var::from_tensor(weight)?);
    let y = ops::conv2d(&x, &weight, None, &Window::conv(3).padding(1).into())?;
    let gradients = (&y * dy)?.sum_all()?.backward()?;
    let gradient = |v: &Var| gradients.get(v).expect("a gradient for each variable").clone();
    Ok(Pass { y: y.detach(), dx: gradient(&x), dw: gradient(&weight) })
}

/// Computes the gradient of the weights by its definition, each as one sum over all positions in f32.
fn plain_weight_gradient(x: &[f32], dy: &[f32], [images, channels]: [usize; 2]) -> Vec<f32> {
    let outputs = dy.len() / (images * SIDE * SIDE);
    let mut dw = vec![0.; outputs * channels * 9];
    for (i, dw) in dw.iter_mut().enumerate() {
        let (output, channel, tap) = (i / 9 / channels, i / 9 % channels, i % 9);
        for image in 0..images {
            let x = &x[(image * channels + channel) * SIDE * SIDE..][..SIDE * SIDE];
            let dy = &dy[(image * outputs + output) * SIDE * SIDE..][..SIDE * SIDE];
            for (position, dy) in dy.iter().enumerate() {
                let [row, column] = [position / SIDE + tap / 3, position % SIDE + tap % 3];
                if (1..=SIDE).contains(&row) && (1..=SIDE).contains(&column) {
                    *dw += x[(row - 1) * SIDE + column - 1] * dy;
                }
            }
        }
    }
    dw
}

/// In training F(4×4, 3×3) runs where there are 32 input and output channels or more. There the root mean square error of
/// its result and gradients is to be at most twice that of plain sums in f32.
#[test]
fn training_with_large_tiles_rounds_at_most_twice_as_much_as_plain_sums() -> Result<()> {
    let images = 4;
    for channels in [32, 64, 96, 192] {
        let [x, dy] = [1, 21].map(|seed| normal(&[images, channels, SIDE, SIDE], seed));
        let (x, dy, weight) = (x?, dy?, normal(&[channels, channels, 3, 3], 11)?);
        let [exact_x, exact_weight, exact_dy] = [&x, &weight, &dy].map(|t| t.to_dtype(DType::F64));
        let (computed, exact) = (pass(&x, &weight, &dy)?, pass(&exact_x?, &exact_weight?, &exact_dy?)?);
        let flat = |t: &Tensor| t.contiguous()?.flatten_all()?.to_vec1::<f32>();
        // The gradient of the input is the convolution of dy with the weights turned by 180°, channels exchanged.
        let turned = weight.transpose(0, 1)?.contiguous()?.flip(&[2, 3])?;
        let of_images = |input: &Tensor, weight: &Tensor| -> Result<Vec<f32>> {
            let (input, weight) = (flat(input)?, flat(weight)?);
            Ok(input.chunks_exact(channels * SIDE * SIDE).flat_map(|x| plain_sums(x, &weight, channels)).collect())
        };
        let plain_dw = plain_weight_gradient(&flat(&x)?, &flat(&dy)?, [images, channels]);
        for (name, computed, plain, exact) in [
            ("result", &computed.y, of_images(&x, &weight)?, &exact.y),
            ("gradient of the input", &computed.dx, of_images(&dy, &turned)?, &exact.dx),
            ("gradient of the weights", &computed.dw, plain_dw, &exact.dw),
        ] {
            let expected = values(exact)?;
            let [computed, plain] = [&flat(computed)?, &plain].map(|v| errors(v, &expected));
            eprintln!("{channels} channels, {name}: plain {plain:.1?}, F(4x4) {computed:.1?}");
            assert!(computed[0] < 2. * plain[0], "the {name} is off by {computed:?} at {channels} channels");
        }
    }
    Ok(())
}

/// The backward pass is the adjoint of the forward pass that was computed, tile by tile, also where tiles lie beyond the
/// edge and blocks of channels are incomplete: ⟨conv(x, w), dy⟩ = ⟨x, dx⟩ = ⟨w, dw⟩.
#[test]
fn gradients_are_adjoint_to_the_forward_pass() -> Result<()> {
    for (outputs, inputs, height, width) in [(32, 32, 8, 8), (40, 33, 12, 11), (35, 64, 7, 16), (16, 24, 9, 6)] {
        let (x, weight) = (normal(&[5, inputs, height, width], 1)?, normal(&[outputs, inputs, 3, 3], 11)?);
        let dy = normal(&[5, outputs, height, width], 21)?;
        let Pass { y, dx, dw } = pass(&x, &weight, &dy)?;
        let inner = |a: &Tensor, b: &Tensor| -> Result<f64> {
            Ok(values(a)?.iter().zip(values(b)?).map(|(a, b)| a * b).sum::<f64>())
        };
        let scale = (inner(&y, &y)? * inner(&dy, &dy)?).sqrt();
        let forward = inner(&y, &dy)?;
        for (name, backward) in [("input", inner(&x, &dx)?), ("weights", inner(&weight, &dw)?)] {
            let error = (forward - backward).abs() / scale;
            assert!(error < 2e-7, "{inputs} to {outputs} channels, {name}: {forward} and {backward}");
        }
    }
    Ok(())
}
