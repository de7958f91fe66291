//! Sums with explicit lanes: they vectorise although the compiler may not reorder floating-point additions, and have
//! the same bits on every instruction set.

use pulp::Simd;

use super::{
    elementwise::{Function, at, splat, split},
    simd::{BLOCK_WIDTH, CacheAligned, vectors, vectors_mut},
};

/// The number of partial sums. Shorter slices are not worth them.
pub const LANES: usize = BLOCK_WIDTH;

/// Computes `Σ f(values at one index of each slice)` over slices of the same length.
///
/// This loop vectorises by itself; see [`sums_of`] for several sums of the same slices.
#[inline(always)]
pub fn sum_of<const SLICES: usize>(slices: [&[f32]; SLICES], f: impl Fn([f32; SLICES]) -> f32) -> f32 {
    let len = slices[0].len();
    let mut lanes = [0f32; LANES];
    // Loops rather than `map`, whose closures may be compiled without vector instructions.
    let mut first = 0;
    while first + LANES <= len {
        let mut blocks = [[0f32; LANES]; SLICES];
        for (block, slice) in blocks.iter_mut().zip(slices) {
            block.copy_from_slice(&slice[first..][..LANES]);
        }
        for lane in 0..LANES {
            let mut values = [0f32; SLICES];
            for slice in 0..SLICES {
                values[slice] = blocks[slice][lane];
            }
            lanes[lane] += f(values);
        }
        first += LANES;
    }
    for i in first..len {
        let mut values = [0f32; SLICES];
        for (value, slice) in values.iter_mut().zip(slices) {
            *value = slice[i];
        }
        lanes[i - first] += f(values);
    }
    sum_of_lanes(lanes)
}

/// Adds the partial sums pairwise.
#[inline(always)]
fn sum_of_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Computes several sums of functions of the values of slices of one channel, each to the same bits as [`sum_of`], in one pass:
/// the additions to one sum wait for each other, but not for those to the others.
#[inline(always)]
pub fn sums_of<S: Simd, const V: usize, const INPUTS: usize, const COEFFICIENTS: usize, const SUMS: usize>(
    simd: S,
    inputs: [&[f32]; INPUTS],
    coefficients: [f32; COEFFICIENTS],
    f: impl Function<INPUTS, COEFFICIENTS, SUMS>,
) -> [f32; SUMS] {
    let of_channel = splat(simd, coefficients);
    let (full, rest) = (inputs[0].len() / LANES, inputs[0].len() % LANES);
    let mut sums = [[simd.splat_f32s(0.); V]; SUMS];
    let of_inputs = split::<S, INPUTS>(inputs, full * V, 0).0;
    for i in 0..full {
        for v in 0..V {
            let terms = f.apply(simd, at::<S, INPUTS>(simd, of_inputs, i * V + v), of_channel);
            for (sum, term) in sums.iter_mut().zip(terms) {
                sum[v] = simd.add_f32s(sum[v], term);
            }
        }
    }
    if rest > 0 {
        let (indices, count, zero) =
            (&vectors::<S, V>(&INDICES.0)[0], simd.splat_f32s(rest as f32), simd.splat_f32s(0.));
        for v in 0..V {
            let mut values = [zero; INPUTS];
            for (value, slice) in values.iter_mut().zip(inputs) {
                let of_vector = &slice[(full * LANES + v * S::F32_LANES).min(slice.len())..];
                *value = simd.partial_load_f32s(&of_vector[..of_vector.len().min(S::F32_LANES)]);
            }
            let terms = f.apply(simd, values, of_channel);
            for (sum, term) in sums.iter_mut().zip(terms) {
                let term = simd.select_f32s(simd.less_than_f32s(indices[v], count), term, zero);
                sum[v] = simd.add_f32s(sum[v], term);
            }
        }
    }
    let mut totals = [0f32; SUMS];
    for (total, sum) in totals.iter_mut().zip(sums) {
        let mut lanes = CacheAligned([0f32; LANES]);
        vectors_mut::<S, V>(&mut lanes.0)[0] = sum;
        *total = sum_of_lanes(lanes.0);
    }
    totals
}

/// The index of each value of a row.
const INDICES: CacheAligned<[f32; LANES]> =
    CacheAligned([0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.]);

/// Computes `Σ f(a)` over the values of a slice.
#[inline(always)]
pub fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum_of([a], |[a]| f(a))
}
