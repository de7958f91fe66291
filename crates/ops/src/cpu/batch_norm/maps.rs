//! What batch normalisation computes for one feature map, in either order.

use std::ops::Range;

use pulp::Simd;

use super::functions::{BackwardTerms, InputGradient, ReluOfSum, ScaledAndShifted, SquaredDistances, Values};
use crate::cpu::{
    elementwise::{Function, map},
    map_order::MapOrder,
    pixels::{PerChannel, coefficients_at, map_pixels, parts, sum_pixels},
    reduce::sums_of,
    simd::{BLOCK_WIDTH, CacheAligned, Kernel, dispatch, row_width, vectors, vectors_mut},
};

/// Writes two moments of each channel: the sum of its values, and the sum of their squared distances from their mean. `moments`
/// has two values for each channel.
pub fn moments(order: MapOrder, x: &[f32], moments: &mut [f32]) {
    let moments = moments.as_chunks_mut().0;
    match order {
        MapOrder::Planes => dispatch(MomentsOfPlanes { x, moments }),
        MapOrder::Pixels => dispatch(MomentsOfPixels { x, moments }),
    }
}

struct MomentsOfPlanes<'a> {
    x: &'a [f32],
    moments: &'a mut [[f32; 2]],
}

impl Kernel for MomentsOfPlanes<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, moments } = self;
        let len = x.len() / moments.len();
        let (fours, rest) = moments.as_chunks_mut::<4>();
        let (of_fours, of_rest) = x.split_at(4 * fours.len() * len);
        for (moments, planes) in fours.iter_mut().zip(of_fours.chunks_exact(4 * len)) {
            moments_of::<S, V, 4>(simd, planes, moments);
        }
        for (moments, plane) in rest.iter_mut().zip(of_rest.chunks_exact(len)) {
            moments_of::<S, V, 1>(simd, plane, std::array::from_mut(moments));
        }
    }
}

/// Computes [`moments`] for `P` planes together.
#[inline(always)]
fn moments_of<S: Simd, const V: usize, const P: usize>(simd: S, planes: &[f32], moments: &mut [[f32; 2]; P]) {
    let len = planes.len() / P;
    let mut slices = [planes; P];
    for (i, slice) in slices.iter_mut().enumerate() {
        *slice = &planes[i * len..][..len];
    }
    let sums = sums_of::<S, V, P, 0, P>(simd, slices, [], Values);
    let mut means = sums;
    means.iter_mut().for_each(|mean| *mean /= len as f32);
    let squares = sums_of::<S, V, P, P, P>(simd, slices, means, SquaredDistances);
    for (i, moments) in moments.iter_mut().enumerate() {
        *moments = [sums[i], squares[i]];
    }
}

struct MomentsOfPixels<'a> {
    x: &'a [f32],
    moments: &'a mut [[f32; 2]],
}

impl Kernel for MomentsOfPixels<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, moments } = self;
        let channels = moments.len();
        let pixels = simd.splat_f32s((x.len() / channels) as f32);
        for (i, moments) in moments.chunks_mut(S::F32_LANES).enumerate() {
            let place = (channels, i * S::F32_LANES);
            let [sum] = sum_pixels::<S, 1, 0, 1>(simd, place, [x], [], Values);
            let mean = simd.div_f32s(sum, pixels);
            let [squares] = sum_pixels::<S, 1, 1, 1>(simd, place, [x], [mean], SquaredDistances);
            store_pairs(simd, [sum, squares], moments);
        }
    }
}

/// Stores two vectors value by value as pairs.
#[inline(always)]
fn store_pairs<S: Simd>(simd: S, vectors: [S::f32s; 2], pairs: &mut [[f32; 2]]) {
    let mut values = [CacheAligned([0f32; BLOCK_WIDTH]), CacheAligned([0f32; BLOCK_WIDTH])];
    for (values, vector) in values.iter_mut().zip(vectors) {
        simd.partial_store_f32s(&mut values.0[..S::F32_LANES], vector);
    }
    for (i, pair) in pairs.iter_mut().enumerate() {
        *pair = [values[0].0[i], values[1].0[i]];
    }
}

/// Computes `x·scale + shift`, then ReLU if `relu`. The coefficients are (scale, shift).
pub fn scale_and_shift(x: &[f32], coefficients: &PerChannel<2>, relu: bool, y: &mut [f32]) {
    let floor = if relu { 0. } else { f32::NEG_INFINITY };
    dispatch(Map { inputs: [x], coefficients, out: y, f: ScaledAndShifted { floor } });
}

/// Computes `max(x·scale + shift + a, 0)`. The coefficients are (scale, shift).
pub fn relu_of_sum(x: &[f32], a: &[f32], coefficients: &PerChannel<2>, y: &mut [f32]) {
    dispatch(Map { inputs: [x, a], coefficients, out: y, f: ReluOfSum });
}

/// Computes [`scale_and_shift`] for rows of `width` pixels of channels-last maps, and writes each row `distance` values after the one
/// before.
pub fn scale_and_shift_rows(
    x: &[f32],
    coefficients: &PerChannel<2>,
    relu: bool,
    [width, distance]: [usize; 2],
    y: &mut [f32],
) {
    let floor = if relu { 0. } else { f32::NEG_INFINITY };
    dispatch(MapRows { inputs: [x], width, coefficients, out: y, distance, f: ScaledAndShifted { floor } });
}

/// Writes a function of the values of rows of channels-last maps.
struct MapRows<'a, F, const INPUTS: usize, const COEFFICIENTS: usize> {
    inputs: [&'a [f32]; INPUTS],
    /// The number of pixels of a row.
    width: usize,
    coefficients: &'a PerChannel<COEFFICIENTS>,
    out: &'a mut [f32],
    /// The distance of two rows in `out`.
    distance: usize,
    f: F,
}

impl<F, const INPUTS: usize, const COEFFICIENTS: usize> Kernel for MapRows<'_, F, INPUTS, COEFFICIENTS>
where
    F: Function<INPUTS, COEFFICIENTS, 1>,
{
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { inputs, width, coefficients, out, distance, f } = self;
        let len = width * coefficients.channels();
        for (row, out) in (0..inputs[0].len() / len).zip(out.chunks_mut(distance)) {
            let of_row = parts(inputs, row * len, len);
            map_pixels(simd, of_row, coefficients.rows(), &mut out[..len], &f);
        }
    }
}

/// Computes the gradient of a normalised map's input x, `g·a + (x − mean)·b + c`, where g is 0 if `x·scale + shift ≤ 0` and `dy`
/// elsewhere. The coefficients are (a, mean, b, c, scale, shift).
pub fn input_gradient(x: &[f32], dy: &[f32], coefficients: &PerChannel<6>, dx: &mut [f32]) {
    dispatch(Map { inputs: [x, dy], coefficients, out: dx, f: InputGradient });
}

/// Computes [`input_gradient`] for rows of `width` pixels of channels-last maps, and writes each row `distance` values after the one
/// before.
pub fn input_gradient_rows(
    x: &[f32],
    dy: &[f32],
    coefficients: &PerChannel<6>,
    [width, distance]: [usize; 2],
    dx: &mut [f32],
) {
    dispatch(MapRows { inputs: [x, dy], width, coefficients, out: dx, distance, f: InputGradient });
}

/// Computes [`input_gradient`] for one plane.
pub fn input_gradient_of_plane(x: &[f32], dy: &[f32], coefficients: [f32; 6], dx: &mut [f32]) {
    dispatch(MapPlane { inputs: [x, dy], coefficients, out: dx, f: InputGradient });
}

/// Writes a function of the values of planes of one channel.
struct MapPlane<'a, F, const INPUTS: usize, const COEFFICIENTS: usize> {
    inputs: [&'a [f32]; INPUTS],
    coefficients: [f32; COEFFICIENTS],
    out: &'a mut [f32],
    f: F,
}

impl<F, const INPUTS: usize, const COEFFICIENTS: usize> Kernel for MapPlane<'_, F, INPUTS, COEFFICIENTS>
where
    F: Function<INPUTS, COEFFICIENTS, 1>,
{
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        map(simd, self.inputs, self.coefficients, self.out, &self.f);
    }
}

/// Writes a function of the values of maps.
struct Map<'a, F, const INPUTS: usize, const COEFFICIENTS: usize> {
    inputs: [&'a [f32]; INPUTS],
    coefficients: &'a PerChannel<COEFFICIENTS>,
    out: &'a mut [f32],
    f: F,
}

impl<F, const INPUTS: usize, const COEFFICIENTS: usize> Kernel for Map<'_, F, INPUTS, COEFFICIENTS>
where
    F: Function<INPUTS, COEFFICIENTS, 1>,
{
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { inputs, coefficients, out, f } = self;
        if coefficients.order() == MapOrder::Pixels {
            return map_pixels(simd, inputs, coefficients.rows(), out, &f);
        }
        let plane = out.len() / coefficients.channels();
        for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
            let of_channel = parts(inputs, channel * plane, plane);
            map(simd, of_channel, coefficients.of_channel(channel), out, &f);
        }
    }
}

/// Writes `Σ g` and `Σ g·(x − mean)` of each channel, where g is 0 if `x·scale + shift ≤ 0` and `dy` elsewhere. The coefficients
/// are (mean, scale, shift); `sums` has two values for each channel.
pub fn backward_sums(x: &[f32], dy: &[f32], coefficients: &PerChannel<3>, sums: &mut [f32]) {
    dispatch(BackwardSums { x, dy, coefficients, sums: sums.as_chunks_mut().0 });
}

struct BackwardSums<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    coefficients: &'a PerChannel<3>,
    sums: &'a mut [[f32; 2]],
}

impl Kernel for BackwardSums<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, dy, coefficients, sums } = self;
        let channels = coefficients.channels();
        match coefficients.order() {
            MapOrder::Planes => {
                let plane = x.len() / channels;
                let planes = x.chunks_exact(plane).zip(dy.chunks_exact(plane));
                for (channel, (sums, (x, dy))) in sums.iter_mut().zip(planes).enumerate() {
                    *sums = sums_of::<S, V, 2, 3, 2>(simd, [x, dy], coefficients.of_channel(channel), BackwardTerms);
                }
            }
            MapOrder::Pixels => {
                for (i, sums) in sums.chunks_mut(S::F32_LANES).enumerate() {
                    let place = (channels, i * S::F32_LANES);
                    let of_channels = coefficients_at::<S, 3>(simd, coefficients, place.1);
                    let of_map = sum_pixels::<S, 2, 3, 2>(simd, place, [x, dy], of_channels, BackwardTerms);
                    store_pairs(simd, of_map, sums);
                }
            }
        }
    }
}

/// Computes [`input_gradient`] of some channels of a channels-last map, and writes it as rows with a place for each channel of a
/// block. Places without a channel are not written.
pub struct GradientRows<'a> {
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub coefficients: &'a PerChannel<6>,
    pub channels: Range<usize>,
    pub rows: &'a mut [f32],
}

impl Kernel for GradientRows<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, dy, coefficients, channels, rows } = self;
        let (pixel, width) = (coefficients.channels(), row_width::<S, V>());
        let mut of_block = CacheAligned([[0f32; BLOCK_WIDTH]; 6]);
        for (lane, channel) in channels.clone().enumerate() {
            for (row, value) in of_block.0.iter_mut().zip(coefficients.of_channel(channel)) {
                row[lane] = value;
            }
        }
        let pixels = x.chunks_exact(pixel).zip(dy.chunks_exact(pixel));
        for (row, (x, dy)) in rows.chunks_exact_mut(width).zip(pixels) {
            let (x, dy) = (&x[channels.clone()], &dy[channels.clone()]);
            for v in 0..V {
                let lanes = (v * S::F32_LANES).min(x.len())..((v + 1) * S::F32_LANES).min(x.len());
                let mut of_vector = [simd.splat_f32s(0.); 6];
                for (vector, row) in of_vector.iter_mut().zip(&of_block.0) {
                    *vector = vectors::<S, 1>(row)[v][0];
                }
                if lanes.len() == S::F32_LANES {
                    let values = [vectors::<S, 1>(&x[lanes.clone()])[0][0], vectors::<S, 1>(&dy[lanes.clone()])[0][0]];
                    [vectors_mut::<S, 1>(&mut row[lanes])[0][0]] = InputGradient.apply(simd, values, of_vector);
                } else {
                    let values =
                        [simd.partial_load_f32s(&x[lanes.clone()]), simd.partial_load_f32s(&dy[lanes.clone()])];
                    let [gradient] = InputGradient.apply(simd, values, of_vector);
                    simd.partial_store_f32s(&mut row[lanes], gradient);
                }
            }
        }
    }
}
