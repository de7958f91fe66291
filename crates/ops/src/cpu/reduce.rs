//! Sums with explicit lanes: they vectorise although the compiler may not reorder floating-point additions, and have
//! the same bits on every instruction set.

use pulp::Simd;

use super::simd::{BLOCK_WIDTH, CacheAligned, Row, add, vectors, vectors_mut};

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

/// Functions of the values at one index of some slices, for [`sums_of`].
pub trait Terms<const SLICES: usize, const SUMS: usize> {
    /// Computes the functions for [`LANES`] indices. Implementations are `#[inline(always)]`: only then are they compiled for
    /// the instruction set of `S`.
    fn terms<S: Simd, const V: usize>(&self, simd: S, rows: [Row<S, V>; SLICES]) -> [Row<S, V>; SUMS];
}

/// Computes several sums over slices of the same length, each to the same bits as [`sum_of`], in one pass: the additions to
/// one sum wait for each other, but not for those to the others.
#[inline(always)]
pub fn sums_of<S: Simd, const V: usize, const SLICES: usize, const SUMS: usize>(
    simd: S,
    slices: [&[f32]; SLICES],
    f: impl Terms<SLICES, SUMS>,
) -> [f32; SUMS] {
    let (full, rest) = (slices[0].len() / LANES, slices[0].len() % LANES);
    let mut sums = [[simd.splat_f32s(0.); V]; SUMS];
    let mut rows = [[simd.splat_f32s(0.); V]; SLICES];
    let mut of_slices = [&[][..]; SLICES];
    for (of_slice, slice) in of_slices.iter_mut().zip(slices) {
        *of_slice = &vectors::<S, V>(slice)[..full];
    }
    for i in 0..full {
        for (row, of_slice) in rows.iter_mut().zip(of_slices) {
            *row = of_slice[i];
        }
        for (sum, terms) in sums.iter_mut().zip(f.terms::<S, V>(simd, rows)) {
            *sum = add::<S, V>(simd, *sum, terms);
        }
    }
    if rest > 0 {
        for (row, slice) in rows.iter_mut().zip(slices) {
            *row = partial::<S, V>(simd, &slice[full * LANES..][..rest]);
        }
        let (indices, rest, zero) =
            (&vectors::<S, V>(&INDICES.0)[0], simd.splat_f32s(rest as f32), simd.splat_f32s(0.));
        for (sum, mut terms) in sums.iter_mut().zip(f.terms::<S, V>(simd, rows)) {
            for v in 0..V {
                terms[v] = simd.select_f32s(simd.less_than_f32s(indices[v], rest), terms[v], zero);
            }
            *sum = add::<S, V>(simd, *sum, terms);
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

/// Returns at most [`LANES`] values as a row, with zeros after them.
#[inline(always)]
fn partial<S: Simd, const V: usize>(simd: S, values: &[f32]) -> Row<S, V> {
    let mut row = [simd.splat_f32s(0.); V];
    for (row, values) in row.iter_mut().zip(values.chunks(S::F32_LANES)) {
        *row = simd.partial_load_f32s(values);
    }
    row
}

/// Computes `Σ f(a)` over the values of a slice.
#[inline(always)]
pub fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum_of([a], |[a]| f(a))
}
