//! Batch normalisation (Ioffe & Szegedy 2015). This file combines what [`maps`] computes for single feature maps, and has the
//! passes over a whole batch, parallel over its maps.

mod functions;
mod maps;

pub use maps::{
    GradientRows, backward_sums, input_gradient, input_gradient_of_plane, input_gradient_rows, moments, relu_of_sum,
    scale_and_shift, scale_and_shift_rows,
};

use super::{map_order::MapOrder, parallel, pixels::PerChannel};

/// Returns the [`moments`] of each feature map of a batch `x` (N, C, L).
pub fn batch_moments(x: &[f32], [n, c, l]: [usize; 3]) -> Vec<f32> {
    let mut of_maps = vec![0f32; n * 2 * c];
    parallel::chunks(&mut of_maps, 2 * c, 3 * x.len(), |i, of_map| {
        moments(MapOrder::Planes, &x[i * c * l..][..c * l], of_map);
    });
    of_maps
}

/// Returns the mean and the biased variance of each channel of a batch, given the [`moments`] of each feature map.
///
/// The moments are combined in f64 by the formula of Chan, Golub & LeVeque (1979): to the squared distances from the means of
/// the maps are added those of these means from that of the channel. Nothing cancels, as it would in a difference of squares, and
/// the maps are not read again.
pub fn statistics(positions: usize, channels: usize, moments: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (maps, positions) = (moments.as_chunks::<2>().0.chunks_exact(channels.max(1)), positions as f64);
    let count = maps.len() as f64 * positions;
    let mut means = vec![0f64; channels];
    for of_map in maps.clone() {
        means.iter_mut().zip(of_map).for_each(|(mean, &[sum, _])| *mean += f64::from(sum));
    }
    means.iter_mut().for_each(|mean| *mean /= count);
    let mut squares = vec![0f64; channels];
    for of_map in maps {
        for ((total, mean), &[sum, squares]) in squares.iter_mut().zip(&means).zip(of_map) {
            let distance = f64::from(sum) / positions - mean;
            *total += f64::from(squares) + positions * distance * distance;
        }
    }
    let of_channels = means.into_iter().zip(squares);
    of_channels.map(|(mean, squares)| (mean as f32, (squares / count) as f32)).unzip()
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

/// Computes `y = x·scale + shift` with one (scale, shift) per channel, then ReLU if `relu`, of a batch of feature maps of `len`
/// values.
pub fn forward(x: &[f32], len: usize, affine: &PerChannel<2>, relu: bool) -> Vec<f32> {
    parallel::filled(x.len(), len, 2 * x.len(), |i, y| {
        scale_and_shift(&x[i * len..][..len], affine, relu, y.zeroed());
    })
}

/// Computes `max(x·scale + shift + a, 0)` in the same way.
pub fn forward_sum(x: &[f32], a: &[f32], len: usize, affine: &PerChannel<2>) -> Vec<f32> {
    parallel::filled(x.len(), len, 4 * x.len(), |i, y| {
        relu_of_sum(&x[i * len..][..len], &a[i * len..][..len], affine, y.zeroed());
    })
}

/// Computes the sums of [`backward_sums`] for each feature map of a batch, of `len` values each.
pub fn batch_sums(x: &[f32], dy: &[f32], len: usize, coefficients: &PerChannel<3>) -> Vec<f32> {
    let per_map = 2 * coefficients.channels();
    let mut sums = vec![0f32; x.len().checked_div(len).unwrap_or(0) * per_map];
    parallel::chunks(&mut sums, per_map, 6 * x.len(), |i, sums| {
        backward_sums(&x[i * len..][..len], &dy[i * len..][..len], coefficients, sums);
    });
    sums
}

/// Adds the sums of [`backward_sums`] over the feature maps of a batch, in f64: `Σ g` and `Σ g·(x − mean)` of each channel.
pub fn sums_over_batch(sums: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let mut totals = vec![[0f64; 2]; channels];
    for of_map in sums.chunks_exact((2 * channels).max(1)) {
        for (total, &[plain, centred]) in totals.iter_mut().zip(of_map.as_chunks().0) {
            total[0] += plain as f64;
            total[1] += centred as f64;
        }
    }
    totals.iter().map(|&[plain, centred]| (plain as f32, centred as f32)).unzip()
}

/// The (scale, shift) of a mask that masks nothing.
pub const NO_MASK: [f32; 2] = [0., 1.];

/// Returns the coefficients of [`input_gradient`] for each channel of an input that was normalised over a batch of `count`
/// values. `sum` is Σ g and `centred` Σ g·(x − mean), and `of_sums` are the coefficients that they were computed with.
pub fn input_coefficients(
    gamma: &[f32],
    inverse_std: &[f32],
    [sum, centred]: [&[f32]; 2],
    count: usize,
    of_sums: &PerChannel<3>,
) -> Vec<[f32; 6]> {
    let count = count as f32;
    let of_channel = |i: usize| {
        let scale = gamma[i] * inverse_std[i];
        let slope = -scale * inverse_std[i] * inverse_std[i] * centred[i] / count;
        let [mean, mask_scale, mask_shift] = of_sums.of_channel(i);
        [scale, mean, slope, -scale * sum[i] / count, mask_scale, mask_shift]
    };
    (0..gamma.len()).map(of_channel).collect()
}

/// Computes [`input_gradient`] for each feature map of a batch, of `len` values each.
pub fn backward_x(x: &[f32], dy: &[f32], len: usize, coefficients: &PerChannel<6>) -> Vec<f32> {
    parallel::filled(x.len(), len, 4 * x.len(), |i, dx| {
        input_gradient(&x[i * len..][..len], &dy[i * len..][..len], coefficients, dx.zeroed());
    })
}
