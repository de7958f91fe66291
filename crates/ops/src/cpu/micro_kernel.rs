//! The micro-kernels of the matrix products: one block of the result is kept in registers while the sum runs over the
//! inner dimension, as in BLIS (Van Zee & van de Geijn 2015).
//!
//! Unlike there, the left matrix is not packed. Its element (r, k) lies at `rows[r] + offsets[k]`, so that a
//! convolution reads its patches from the image itself, without im2col.

use std::ops::Range;

use pulp::Simd;

use super::simd::{BLOCK_WIDTH, Row, row_width, vectors, vectors_mut};

/// The number of rows of a register block. With two vectors per row they fill 12 of the 16 registers of AVX2.
pub const BLOCK_ROWS: usize = 6;

/// Where the elements of a row lie, relative to its start. Also knows the largest offset, so that one comparison per
/// block replaces a bounds check per element.
#[derive(Debug)]
pub struct Offsets {
    offsets: Vec<usize>,
    largest: usize,
}

/// A range of [`Offsets`].
#[derive(Debug, Clone, Copy)]
pub struct OffsetRange<'a> {
    offsets: &'a [usize],
    /// The largest of all offsets, not only of the range.
    largest: usize,
}

impl Offsets {
    /// Takes the offsets in the order in which products sum over them.
    pub fn new(offsets: Vec<usize>) -> Self {
        let largest = offsets.iter().copied().max().unwrap_or(0);
        Self { offsets, largest }
    }

    /// Returns the number of offsets.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Returns all offsets.
    pub fn all(&self) -> OffsetRange<'_> {
        self.range(0..self.len())
    }

    /// Returns some of the offsets.
    pub fn range(&self, range: Range<usize>) -> OffsetRange<'_> {
        OffsetRange { offsets: &self.offsets[range], largest: self.largest }
    }
}

/// Computes a block of a matrix product: `block[r][c] = Σ_k a[rows[r] + offsets[k]] · b[k·width + c]`, where the width is that of a
/// row of `V` vectors.
#[inline(always)]
pub fn block_product<S: Simd, const V: usize>(
    simd: S,
    a: &[f32],
    rows: &[usize; BLOCK_ROWS],
    offsets: OffsetRange,
    b: &[f32],
) -> [Row<S, V>; BLOCK_ROWS] {
    let [block] = block_products::<S, V, 1, 2, BLOCK_ROWS>(simd, a, rows, offsets, [b]);
    block
}

/// Computes [`block_product`] with `R` rows and `B` blocks of columns at once.
///
/// On AVX-512 two blocks share the elements of `a` that a step loads: with eight rows eleven loads for sixteen multiplications and
/// additions, so that those are the bound; a single block of six takes eight for six. AVX2 has too few registers for that.
///
/// Where a row is one vector, each sum is split into `SUMS` partial sums, one or two, of every other step. A single block needs two:
/// its six sums are too few to hide the latency of an addition.
#[inline(always)]
pub fn block_products<S: Simd, const V: usize, const B: usize, const SUMS: usize, const R: usize>(
    simd: S,
    a: &[f32],
    rows: &[usize; R],
    offsets: OffsetRange,
    b: [&[f32]; B],
) -> [[Row<S, V>; R]; B] {
    let furthest = rows.iter().fold(0, |max, &row| max.max(row)).saturating_add(offsets.largest);
    assert!(furthest < a.len());
    // Not with `map`, which is not inlined everywhere.
    let mut slices = [a; R];
    for (slice, &start) in slices.iter_mut().zip(rows) {
        *slice = &a[start..];
    }
    let rows = slices;
    let steps = b.iter().fold(offsets.offsets.len(), |steps, b| steps.min(b.len() / row_width::<S, V>()));
    let (offsets, b) = (&offsets.offsets[..steps], b.map(|b| &vectors::<S, V>(b)[..steps]));
    let mut blocks = [[[simd.splat_f32s(0.); V]; R]; B];
    let mut step = 0;
    if V == 1 && SUMS == 2 {
        let mut odd = blocks;
        while step + 1 < steps {
            // SAFETY: start + offset ≤ furthest, which the assertion above has compared with the length.
            unsafe {
                add_product(simd, &mut blocks, &rows, offsets[step], b.map(|b| &b[step]));
                add_product(simd, &mut odd, &rows, offsets[step + 1], b.map(|b| &b[step + 1]));
            }
            step += 2;
        }
        let sums = blocks.as_flattened_mut().as_flattened_mut().iter_mut();
        for (sum, odd) in sums.zip(odd.as_flattened().as_flattened()) {
            *sum = simd.add_f32s(*sum, *odd);
        }
    }
    while step < steps {
        // SAFETY: as above.
        unsafe { add_product(simd, &mut blocks, &rows, offsets[step], b.map(|b| &b[step])) };
        step += 1;
    }
    blocks
}

/// Adds one step of the sums: `blocks[i][r] += rows[r][offset] · b[i]`.
///
/// # Safety
/// Each row is longer than `offset`.
#[inline(always)]
unsafe fn add_product<S: Simd, const V: usize, const B: usize, const R: usize>(
    simd: S,
    blocks: &mut [[Row<S, V>; R]; B],
    rows: &[&[f32]; R],
    offset: usize,
    b: [&Row<S, V>; B],
) {
    for (r, a) in rows.iter().enumerate() {
        // SAFETY: the caller's promise.
        let a = simd.splat_f32s(unsafe { *a.get_unchecked(offset) });
        for (block, b) in blocks.iter_mut().zip(b) {
            for (sum, &b) in block[r].iter_mut().zip(b) {
                *sum = simd.mul_add_e_f32s(a, b, *sum);
            }
        }
    }
}

/// A non-zero element of a sparse row, and where the row of the dense matrix that it multiplies starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct NonZero {
    pub value: f32,
    /// In 32 bits, so that an element takes eight bytes.
    pub start: u32,
}

/// Adds the product of a sparse row and a dense matrix: `out[c] += Σ value · dense[start + c]` over the non-zero
/// elements. The length of `out` is a multiple of [`BLOCK_WIDTH`].
#[inline(always)]
pub fn add_sparse_product<S: Simd, const V: usize>(simd: S, out: &mut [f32], row: &[NonZero], dense: &[f32]) {
    /// The number of blocks whose accumulators fit the registers.
    const MOST_BLOCKS: usize = 6;
    for (i, out) in out.chunks_mut(MOST_BLOCKS * BLOCK_WIDTH).enumerate() {
        let dense = &dense[i * MOST_BLOCKS * BLOCK_WIDTH..];
        match out.len() / BLOCK_WIDTH {
            1 => add_sparse_blocks::<S, V, 1>(simd, out, row, dense),
            2 => add_sparse_blocks::<S, V, 2>(simd, out, row, dense),
            3 => add_sparse_blocks::<S, V, 3>(simd, out, row, dense),
            4 => add_sparse_blocks::<S, V, 4>(simd, out, row, dense),
            5 => add_sparse_blocks::<S, V, 5>(simd, out, row, dense),
            _ => add_sparse_blocks::<S, V, MOST_BLOCKS>(simd, out, row, dense),
        }
    }
}

/// Computes [`add_sparse_product`] for `B` blocks of columns.
#[inline(always)]
fn add_sparse_blocks<S: Simd, const V: usize, const B: usize>(
    simd: S,
    out: &mut [f32],
    row: &[NonZero],
    dense: &[f32],
) {
    let out = &mut vectors_mut::<S, V>(&mut out[..B * BLOCK_WIDTH])[..B];
    let mut sums: [Row<S, V>; B] = std::array::from_fn(|b| out[b]);
    for element in row {
        let dense = &vectors::<S, V>(&dense[element.start as usize..][..B * BLOCK_WIDTH])[..B];
        let value = simd.splat_f32s(element.value);
        for (sums, dense) in sums.iter_mut().zip(dense) {
            for (sum, &dense) in sums.iter_mut().zip(dense) {
                *sum = simd.mul_add_e_f32s(value, dense, *sum);
            }
        }
    }
    out.copy_from_slice(&sums);
}
