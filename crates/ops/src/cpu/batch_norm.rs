//! Batch normalisation (Ioffe & Szegedy 2015) over (N, C, L). Statistics are parallel over channels, everything else over images.

use pulp::Simd;

use super::{
    elementwise::{Function, map},
    parallel,
    reduce::{self, Terms},
    simd::{Kernel, Row, dispatch},
};

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

/// Writes the sum of each plane and the sum of the squared distances from its mean. There are half as many planes as
/// `moments` has values.
pub fn moments_of_planes(planes: &[f32], moments: &mut [f32]) {
    dispatch(Moments { planes, moments: moments.as_chunks_mut().0 });
}

struct Moments<'a> {
    planes: &'a [f32],
    moments: &'a mut [[f32; 2]],
}

impl Kernel for Moments<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { planes, moments } = self;
        let len = planes.len() / moments.len();
        let (fours, rest) = moments.as_chunks_mut::<4>();
        let (of_fours, of_rest) = planes.split_at(4 * fours.len() * len);
        for (moments, planes) in fours.iter_mut().zip(of_fours.chunks_exact(4 * len)) {
            moments_of::<S, V, 4>(simd, planes, moments);
        }
        for (moments, plane) in rest.iter_mut().zip(of_rest.chunks_exact(len)) {
            moments_of::<S, V, 1>(simd, plane, std::array::from_mut(moments));
        }
    }
}

/// Computes [`moments_of_planes`] for `P` planes together.
#[inline(always)]
fn moments_of<S: Simd, const V: usize, const P: usize>(simd: S, planes: &[f32], moments: &mut [[f32; 2]; P]) {
    let len = planes.len() / P;
    let mut slices = [planes; P];
    for (i, slice) in slices.iter_mut().enumerate() {
        *slice = &planes[i * len..][..len];
    }
    let sums = reduce::sums_of::<S, V, P, P>(simd, slices, Values);
    let mut means = sums;
    means.iter_mut().for_each(|mean| *mean /= len as f32);
    let squares = reduce::sums_of::<S, V, P, P>(simd, slices, SquaredDistances(means));
    for (i, moments) in moments.iter_mut().enumerate() {
        *moments = [sums[i], squares[i]];
    }
}

/// The values of each slice.
struct Values;

impl<const P: usize> Terms<P, P> for Values {
    #[inline(always)]
    fn terms<S: Simd, const V: usize>(&self, _: S, rows: [Row<S, V>; P]) -> [Row<S, V>; P] {
        rows
    }
}

/// The squared distances of each slice's values from the slice's mean.
struct SquaredDistances<const P: usize>([f32; P]);

impl<const P: usize> Terms<P, P> for SquaredDistances<P> {
    #[inline(always)]
    fn terms<S: Simd, const V: usize>(&self, simd: S, mut rows: [Row<S, V>; P]) -> [Row<S, V>; P] {
        for (row, mean) in rows.iter_mut().zip(self.0) {
            for x in row {
                let distance = simd.sub_f32s(*x, simd.splat_f32s(mean));
                *x = simd.mul_f32s(distance, distance);
            }
        }
        rows
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

/// Computes [`forward`] for one image.
pub fn scale_and_shift(x: &[f32], affine: &[[f32; 2]], relu: bool, y: &mut [f32]) {
    let floor = if relu { 0. } else { f32::NEG_INFINITY };
    dispatch(ScaleAndShift { x, affine, floor, y });
}

struct ScaleAndShift<'a> {
    x: &'a [f32],
    affine: &'a [[f32; 2]],
    floor: f32,
    y: &'a mut [f32],
}

impl Kernel for ScaleAndShift<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, affine, floor, y } = self;
        let plane = x.len() / affine.len();
        for ((y, x), &affine) in y.chunks_exact_mut(plane).zip(x.chunks_exact(plane)).zip(affine) {
            map(simd, [x], y, ScaledAndShifted { affine, floor });
        }
    }
}

/// `x·scale + shift`, or the floor if that is below it.
struct ScaledAndShifted {
    affine: [f32; 2],
    floor: f32,
}

impl Function<1> for ScaledAndShifted {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [x]: [S::f32s; 1]) -> S::f32s {
        let [scale, shift] = [simd.splat_f32s(self.affine[0]), simd.splat_f32s(self.affine[1])];
        let (value, floor) = (simd.add_f32s(simd.mul_f32s(x, scale), shift), simd.splat_f32s(self.floor));
        simd.select_f32s(simd.less_than_f32s(value, floor), floor, value)
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

/// Computes `(Σ dy, Σ dy·(x − mean))` of one channel.
fn channel_backward_sums(x: &[f32], dy: &[f32], dims: [usize; 3], channel: usize, mean: f32) -> [f32; 2] {
    let mut totals = [0f64; 2];
    for (x, dy) in planes(x, dims, channel).zip(planes(dy, dims, channel)) {
        let mut sums = [0f32; 2];
        dispatch(BackwardSums { x, dy, mean, mask: NO_MASK, sums: &mut sums });
        totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += f64::from(sum));
    }
    totals.map(|total| total as f32)
}

/// The (scale, shift) of [`BackwardSums::mask`] that masks nothing.
pub const NO_MASK: [f32; 2] = [0., 1.];

/// Computes `(Σ g, Σ g·(x − mean))` of one plane, where g is 0 if `x·scale + shift ≤ 0` and `dy` elsewhere.
pub struct BackwardSums<'a> {
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub mean: f32,
    /// (scale, shift) of the normalisation, if a ReLU follows it; [`NO_MASK`] otherwise.
    pub mask: [f32; 2],
    pub sums: &'a mut [f32; 2],
}

impl Kernel for BackwardSums<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, dy, mean, mask, sums } = self;
        *sums = reduce::sums_of::<S, V, 2, 2>(simd, [x, dy], BackwardTerms { mean, mask });
    }
}

/// The terms of [`BackwardSums`].
struct BackwardTerms {
    mean: f32,
    mask: [f32; 2],
}

impl Terms<2, 2> for BackwardTerms {
    #[inline(always)]
    fn terms<S: Simd, const V: usize>(&self, simd: S, [x, mut g]: [Row<S, V>; 2]) -> [Row<S, V>; 2] {
        let (mean, mut centred) = (simd.splat_f32s(self.mean), x);
        for v in 0..V {
            g[v] = masked(simd, x[v], g[v], self.mask);
            centred[v] = simd.mul_f32s(simd.sub_f32s(x[v], mean), g[v]);
        }
        [g, centred]
    }
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
        let planes =
            dx.zeroed().chunks_exact_mut(l).zip(x[i * c * l..].chunks_exact(l)).zip(dy[i * c * l..].chunks_exact(l));
        for (((dx, x), dy), &coefficients) in planes.zip(coefficients) {
            dispatch(InputGradient { x, dy, coefficients, mask: NO_MASK, dx });
        }
    })
}

/// Computes `dx = g·a + (x − mean)·b + c` of one plane, with g as in [`BackwardSums`].
pub struct InputGradient<'a> {
    pub x: &'a [f32],
    pub dy: &'a [f32],
    /// (a, mean, b, c), as [`input_coefficients`] returns them.
    pub coefficients: [f32; 4],
    /// The (scale, shift) of the normalisation, as [`BackwardSums::mask`] holds them.
    pub mask: [f32; 2],
    pub dx: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, dy, coefficients, mask, dx } = self;
        map(simd, [x, dy], dx, GradientOfValue { coefficients, mask });
    }
}

/// The gradient of [`InputGradient`] from x and dy.
struct GradientOfValue {
    coefficients: [f32; 4],
    mask: [f32; 2],
}

impl Function<2> for GradientOfValue {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [x, dy]: [S::f32s; 2]) -> S::f32s {
        let [a, mean, b, c] = self.coefficients;
        let distance = simd.sub_f32s(x, simd.splat_f32s(mean));
        let slope = simd.mul_f32s(distance, simd.splat_f32s(b));
        let g = masked(simd, x, dy, self.mask);
        simd.add_f32s(simd.add_f32s(simd.mul_f32s(g, simd.splat_f32s(a)), slope), simd.splat_f32s(c))
    }
}

/// Returns 0 where `x·scale + shift ≤ 0`, and `dy` elsewhere.
#[inline(always)]
fn masked<S: Simd>(simd: S, x: S::f32s, dy: S::f32s, [scale, shift]: [f32; 2]) -> S::f32s {
    let normalised = simd.add_f32s(simd.mul_f32s(x, simd.splat_f32s(scale)), simd.splat_f32s(shift));
    let zero = simd.splat_f32s(0.);
    simd.select_f32s(simd.less_than_or_equal_f32s(normalised, zero), zero, dy)
}
