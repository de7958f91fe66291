//! Batch normalisation over (N, C, L): statistics parallel over channels, the rest parallel over images.

use super::isa::vectorised;
use super::{parallel, reduce};

/// Batch, channels and positions per channel.
pub type Dims = [usize; 3];

fn planes(x: &[f32], [_, c, l]: Dims, channel: usize) -> impl Iterator<Item = &[f32]> + Clone {
    x.chunks_exact(c * l).map(move |image| &image[channel * l..][..l])
}

/// The sum of each plane.
pub fn plane_sums(x: &[f32], [n, c, l]: Dims) -> Vec<f32> {
    let mut sums = vec![0f32; n * c];
    parallel::chunks(&mut sums, c, x.len(), |i, sums| sums_of_planes(&x[i * c * l..][..c * l], sums));
    sums
}

vectorised! {
/// Those of some planes.
pub fn sums_of_planes<'a>(planes: &'a [f32], sums: &'a mut [f32]) {
    let len = planes.len() / sums.len();
    sums.iter_mut().zip(planes.chunks_exact(len)).for_each(|(sum, plane)| *sum = reduce::sum(plane, |v| v));
}
}

/// Mean and biased variance of each channel, given the sum of each plane: these in f32, over planes in f64, the variance
/// around the mean.
pub fn statistics(x: &[f32], dims: Dims, sums: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut mean_var = vec![0f32; 2 * dims[1]];
    parallel::chunks(&mut mean_var, 2, 3 * x.len(), |channel, out| {
        out.copy_from_slice(&of_channel(x, dims, sums, channel));
    });
    unzip(&mean_var)
}

vectorised! {
fn of_channel<'a>(x: &'a [f32], dims: Dims, sums: &'a [f32], channel: usize) -> [f32; 2] {
    let count = (dims[0] * dims[2]) as f64;
    let mean = sums[channel..].iter().step_by(dims[1]).map(|&sum| sum as f64).sum::<f64>() / count;
    let centre = mean as f32;
    let squares = planes(x, dims, channel).map(|p| reduce::sum(p, |v| (v - centre) * (v - centre)) as f64).sum::<f64>();
    [centre, (squares / count) as f32]
}
}

/// Pairs as two vectors.
pub fn unzip(pairs: &[f32]) -> (Vec<f32>, Vec<f32>) {
    (pairs.iter().step_by(2).copied().collect(), pairs.iter().skip(1).step_by(2).copied().collect())
}

/// `y = x·scale + shift` with these two for each channel; ReLU on top if asked for.
pub fn forward(x: &[f32], [n, c, l]: Dims, affine: &[[f32; 2]], relu: bool) -> Vec<f32> {
    parallel::filled(n * c * l, c * l, 2 * x.len(), |i, y| {
        scaled(&x[i * c * l..][..c * l], affine, relu, y.take_all());
    })
}

vectorised! {
/// [`forward`] of one image.
pub fn scaled<'a>(x: &'a [f32], affine: &'a [[f32; 2]], relu: bool, y: &'a mut [f32]) {
    let (l, floor) = (x.len() / affine.len(), if relu { 0. } else { f32::NEG_INFINITY });
    for ((y, x), &[scale, shift]) in y.chunks_exact_mut(l).zip(x.chunks_exact(l)).zip(affine) {
        for (y, &x) in y.iter_mut().zip(x) {
            let v = x * scale + shift;
            *y = if v < floor { floor } else { v };
        }
    }
}
}

/// `(Σ dy, Σ dy·(x − mean))` of each channel.
pub fn backward_sums(x: &[f32], dy: &[f32], dims: Dims, mean: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![0f32; 2 * dims[1]];
    parallel::chunks(&mut sums, 2, 4 * x.len(), |channel, out| {
        out.copy_from_slice(&sums_of_channel(x, dy, dims, channel, mean[channel]));
    });
    unzip(&sums)
}

vectorised! {
fn sums_of_channel<'a>(x: &'a [f32], dy: &'a [f32], dims: Dims, channel: usize, mean: f32) -> [f32; 2] {
    let (mut plain, mut centred) = (0f64, 0f64);
    for (x, dy) in planes(x, dims, channel).zip(planes(dy, dims, channel)) {
        let [a, b] = sums_of_plane(x, dy, mean);
        plain += a as f64;
        centred += b as f64;
    }
    [plain as f32, centred as f32]
}
}

/// `(Σ dy, Σ dy·(x − mean))` of one plane.
#[inline(always)]
pub fn sums_of_plane(x: &[f32], dy: &[f32], mean: f32) -> [f32; 2] {
    [reduce::sum(dy, |dy| dy), reduce::sum_of([x, dy], |[x, dy]| (x - mean) * dy)]
}

/// `dx = dy·a + (x − mean)·b + c` with one (a, mean, b, c) per channel: what every form of the gradient comes down to.
pub fn backward_x(x: &[f32], dy: &[f32], [n, c, l]: Dims, coefficients: &[[f32; 4]]) -> Vec<f32> {
    parallel::filled(n * c * l, c * l, 4 * x.len(), |i, dx| {
        combined(&x[i * c * l..][..c * l], &dy[i * c * l..][..c * l], coefficients, dx.take_all());
    })
}

vectorised! {
fn combined<'a>(x: &'a [f32], dy: &'a [f32], coefficients: &'a [[f32; 4]], dx: &'a mut [f32]) {
    let l = x.len() / coefficients.len();
    let planes = dx.chunks_exact_mut(l).zip(x.chunks_exact(l)).zip(dy.chunks_exact(l));
    for (((dx, x), dy), [a, mean, b, c]) in planes.zip(coefficients) {
        for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = dy * a + (x - mean) * b + c;
        }
    }
}
}
