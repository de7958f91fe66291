//! Batch normalisation (Ioffe & Szegedy 2015) over (N, C, L). Statistics are parallel over channels, everything else over images.

use super::{isa::vectorised, parallel, reduce};

/// Returns the planes of one channel, image after image.
fn planes(x: &[f32], [_, c, l]: [usize; 3], channel: usize) -> impl Iterator<Item = &[f32]> + Clone {
    x.chunks_exact(c * l).map(move |image| &image[channel * l..][..l])
}

/// Returns the moments of each plane of `x` (N, C, L), as (N, C, 2); see [`moments_of_planes`].
pub fn plane_moments(x: &[f32], [n, c, l]: [usize; 3]) -> Vec<f32> {
    let mut moments = vec![0f32; n * 2 * c];
    parallel::chunks(&mut moments, 2 * c, 3 * x.len(), |i, moments| {
        moments_of_planes(&x[i * c * l..][..c * l], moments);
    });
    moments
}

vectorised! {
/// Writes the sum of each plane and the sum of the squared distances from its mean. There are half as many planes as
/// `moments` has values.
pub fn moments_of_planes<'a>(planes: &'a [f32], moments: &'a mut [f32]) {
    let len = planes.len() / (moments.len() / 2);
    for (plane, moments) in planes.chunks_exact(len).zip(moments.as_chunks_mut().0) {
        let sum = reduce::sum(plane, |v| v);
        let mean = sum / len as f32;
        *moments = [sum, reduce::sum(plane, |v| (v - mean) * (v - mean))];
    }
}
}

/// Returns the mean and the biased variance of each channel of a feature map (N, C, L), given the moments of each plane.
///
/// The moments of the planes are combined in f64 by the formula of Chan, Golub & LeVeque (1979): to the squared distances
/// from the means of the planes are added those of these means from that of the channel. Nothing cancels, as it would in a
/// difference of squares, and the feature map is not read again.
pub fn statistics([_, c, l]: [usize; 3], plane_moments: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let of_channel = |channel: usize| {
        let planes = plane_moments.as_chunks::<2>().0[channel..].iter().step_by(c);
        let count = (planes.len() * l) as f64;
        let mean = planes.clone().map(|&[sum, _]| sum as f64).sum::<f64>() / count;
        let squares = planes.map(|&[sum, squares]| {
            let distance = sum as f64 / l as f64 - mean;
            squares as f64 + l as f64 * distance * distance
        });
        (mean as f32, (squares.sum::<f64>() / count) as f32)
    };
    (0..c).map(of_channel).unzip()
}

/// Returns `1 / √(var + ε)` of each channel.
pub fn inverse_std(var: &[f32], eps: f64) -> Vec<f32> {
    var.iter().map(|v| (1. / (*v as f64 + eps).sqrt()) as f32).collect()
}

/// Returns the factor from the biased to the unbiased variance of `count` values.
pub fn unbiasing_factor(count: usize) -> f64 {
    count as f64 / (count - 1) as f64
}

/// Returns the unbiased variances of channels of `count` values from the biased ones.
pub fn unbiased(var: &[f32], count: usize) -> Vec<f32> {
    var.iter().map(|v| (*v as f64 * unbiasing_factor(count)) as f32).collect()
}

/// Returns (scale, shift) of each channel, so that `x·scale + shift` is the normalised x.
pub fn affine(gamma: &[f32], beta: &[f32], mean: &[f32], inverse_std: &[f32]) -> Vec<[f32; 2]> {
    let scale = gamma.iter().zip(inverse_std).map(|(g, s)| g * s);
    scale.zip(beta.iter().zip(mean)).map(|(s, (b, m))| [s, b - m * s]).collect()
}

/// Splits pairs that are stored one after the other.
fn unzip(pairs: &[f32]) -> (Vec<f32>, Vec<f32>) {
    (pairs.iter().step_by(2).copied().collect(), pairs.iter().skip(1).step_by(2).copied().collect())
}

/// Computes `y = x·scale + shift` with one (scale, shift) per channel, then ReLU if `relu`.
pub fn forward(x: &[f32], [n, c, l]: [usize; 3], affine: &[[f32; 2]], relu: bool) -> Vec<f32> {
    parallel::filled(n * c * l, c * l, 2 * x.len(), |i, y| {
        scale_and_shift(&x[i * c * l..][..c * l], affine, relu, y.zeroed());
    })
}

vectorised! {
/// Computes [`forward`] for one image.
pub fn scale_and_shift<'a>(x: &'a [f32], affine: &'a [[f32; 2]], relu: bool, y: &'a mut [f32]) {
    let (l, floor) = (x.len() / affine.len(), if relu { 0. } else { f32::NEG_INFINITY });
    for ((y, x), &[scale, shift]) in y.chunks_exact_mut(l).zip(x.chunks_exact(l)).zip(affine) {
        for (y, &x) in y.iter_mut().zip(x) {
            let v = x * scale + shift;
            *y = if v < floor { floor } else { v };
        }
    }
}
}

/// Computes `(Σ dy, Σ dy·(x − mean))` of each channel.
pub fn backward_sums(x: &[f32], dy: &[f32], dims: [usize; 3], mean: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![0f32; 2 * dims[1]];
    parallel::chunks(&mut sums, 2, 4 * x.len(), |channel, out| {
        out.copy_from_slice(&channel_backward_sums(x, dy, dims, channel, mean[channel]));
    });
    unzip(&sums)
}

vectorised! {
/// Computes `(Σ dy, Σ dy·(x − mean))` of one channel.
fn channel_backward_sums<'a>(
    x: &'a [f32],
    dy: &'a [f32],
    dims: [usize; 3],
    channel: usize,
    mean: f32,
) -> [f32; 2] {
    let (mut plain, mut centred) = (0f64, 0f64);
    for (x, dy) in planes(x, dims, channel).zip(planes(dy, dims, channel)) {
        let [a, b] = plane_backward_sums(x, dy, mean);
        plain += a as f64;
        centred += b as f64;
    }
    [plain as f32, centred as f32]
}
}

/// Computes `(Σ dy, Σ dy·(x − mean))` of one plane.
#[inline(always)]
pub fn plane_backward_sums(x: &[f32], dy: &[f32], mean: f32) -> [f32; 2] {
    [reduce::sum(dy, |dy| dy), reduce::sum_of([x, dy], |[x, dy]| (x - mean) * dy)]
}

/// Returns the coefficients (a, mean, b, c) of each channel in the gradient `g·a + (x − mean)·b + c` of an input x that
/// was normalised over a batch of `count` values. g is the gradient of the result, `sum` is Σ g and `centred` Σ g·(x −
/// mean).
pub fn input_coefficients(
    gamma: &[f32],
    mean: &[f32],
    inverse_std: &[f32],
    sum: &[f32],
    centred: &[f32],
    count: usize,
) -> Vec<[f32; 4]> {
    let count = count as f32;
    let of_channel = |i: usize| {
        let scale = gamma[i] * inverse_std[i];
        let slope = -scale * inverse_std[i] * inverse_std[i] * centred[i] / count;
        [scale, mean[i], slope, -scale * sum[i] / count]
    };
    (0..gamma.len()).map(of_channel).collect()
}

/// Computes `dx = dy·a + (x − mean)·b + c` with one (a, mean, b, c) per channel. The gradient has this form both with
/// batch statistics and with running ones.
pub fn backward_x(x: &[f32], dy: &[f32], [n, c, l]: [usize; 3], coefficients: &[[f32; 4]]) -> Vec<f32> {
    parallel::filled(n * c * l, c * l, 4 * x.len(), |i, dx| {
        image_backward_x(&x[i * c * l..][..c * l], &dy[i * c * l..][..c * l], coefficients, dx.zeroed());
    })
}

vectorised! {
/// Computes [`backward_x`] for one image.
fn image_backward_x<'a>(x: &'a [f32], dy: &'a [f32], coefficients: &'a [[f32; 4]], dx: &'a mut [f32]) {
    let l = x.len() / coefficients.len();
    let planes = dx.chunks_exact_mut(l).zip(x.chunks_exact(l)).zip(dy.chunks_exact(l));
    for (((dx, x), dy), [a, mean, b, c]) in planes.zip(coefficients) {
        for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = dy * a + (x - mean) * b + c;
        }
    }
}
}
