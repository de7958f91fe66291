//! The micro-kernels: small blocks of a matrix product, kept in registers, on any instruction set `pulp` knows.
//!
//! A block is [`WIDTH`] values wide on every instruction set, so that the layouts of the buffers do not depend on it:
//! `V` vectors with `V · lanes = WIDTH` (one on AVX-512, two on AVX2, four on NEON). [`dispatch`] picks `V`.

use super::isa::arch;
use pulp::Simd;
use std::ops::Range;

/// Columns of a block.
pub const WIDTH: usize = 16;
/// Rows of a block of [`product`]: with two vectors each they fill 12 of AVX2's 16 registers.
pub const ROWS: usize = 6;

/// A row of a block.
pub type Row<S, const V: usize> = [<S as Simd>::f32s; V];

/// Places to read at, relative to a row's start, with the largest of them.
#[derive(Debug)]
pub struct Steps {
    offsets: Vec<usize>,
    reach: usize,
}

/// Some of them.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    offsets: &'a [usize],
    reach: usize,
}

impl Steps {
    pub fn new(offsets: Vec<usize>) -> Self {
        let reach = offsets.iter().copied().max().unwrap_or(0);
        Self { offsets, reach }
    }

    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    pub fn all(&self) -> Part<'_> {
        self.part(0..self.len())
    }

    pub fn part(&self, range: Range<usize>) -> Part<'_> {
        Part { offsets: &self.offsets[range], reach: self.reach }
    }
}

/// `block[r][c] = Σ_k a[rows[r] + steps[k]] · b[k·WIDTH + c]`: both operands of a convolution's products are read
/// where they lie, without im2col.
#[inline(always)]
pub fn product<S: Simd, const V: usize>(
    simd: S,
    a: &[f32],
    rows: &[usize; ROWS],
    steps: Part,
    b: &[f32],
) -> [Row<S, V>; ROWS] {
    let furthest = rows.iter().fold(0, |max, &row| max.max(row)) + steps.reach;
    assert!(furthest < a.len());
    let rows = rows.map(|start| &a[start..]);
    let mut block = [[simd.splat_f32s(0.); V]; ROWS];
    let (mut steps, mut b) = (steps.offsets, vectors::<S, V>(b));
    if V == 1 {
        // Six sums are too few to hide how long an addition takes: every other step has sums of its own.
        let mut odd = block;
        while let ([first, second, next @ ..], [b_first, b_second, b_next @ ..]) = (steps, b) {
            // SAFETY: start + step ≤ furthest, which the assertion above has compared with the length.
            unsafe {
                add_product(simd, &mut block, &rows, *first, b_first);
                add_product(simd, &mut odd, &rows, *second, b_second);
            }
            (steps, b) = (next, b_next);
        }
        for (sum, odd) in block.as_flattened_mut().iter_mut().zip(odd.as_flattened()) {
            *sum = simd.add_f32s(*sum, *odd);
        }
    }
    for (&step, b) in steps.iter().zip(b) {
        // SAFETY: as above.
        unsafe { add_product(simd, &mut block, &rows, step, b) };
    }
    block
}

/// `block[r] += rows[r][step] · b`.
///
/// # Safety
/// Each row is longer than `step`.
#[inline(always)]
unsafe fn add_product<S: Simd, const V: usize>(
    simd: S,
    block: &mut [Row<S, V>; ROWS],
    rows: &[&[f32]; ROWS],
    step: usize,
    b: &Row<S, V>,
) {
    for (row, a) in block.iter_mut().zip(rows) {
        // SAFETY: the caller's promise.
        let a = simd.splat_f32s(unsafe { *a.get_unchecked(step) });
        for (sum, &b) in row.iter_mut().zip(b) {
            *sum = simd.mul_add_e_f32s(a, b, *sum);
        }
    }
}

/// A factor and where the values it multiplies start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Term {
    pub start: usize,
    pub factor: f32,
}

/// `out[c] += Σ_terms factor · values[start + c]`: a product with a sparse row. The length of `out` is a multiple of
/// [`WIDTH`].
#[inline(always)]
pub fn sparse_row<S: Simd, const V: usize>(simd: S, out: &mut [f32], terms: &[Term], values: &[f32]) {
    /// As many blocks as fit the registers.
    const WIDEST: usize = 6;
    for (i, out) in out.chunks_mut(WIDEST * WIDTH).enumerate() {
        let values = &values[i * WIDEST * WIDTH..];
        match out.len() / WIDTH {
            1 => blocks::<S, V, 1>(simd, out, terms, values),
            2 => blocks::<S, V, 2>(simd, out, terms, values),
            3 => blocks::<S, V, 3>(simd, out, terms, values),
            4 => blocks::<S, V, 4>(simd, out, terms, values),
            5 => blocks::<S, V, 5>(simd, out, terms, values),
            _ => blocks::<S, V, WIDEST>(simd, out, terms, values),
        }
    }
}

/// [`sparse_row`] of `B` blocks.
#[inline(always)]
fn blocks<S: Simd, const V: usize, const B: usize>(simd: S, out: &mut [f32], terms: &[Term], values: &[f32]) {
    let out = &mut vectors_mut::<S, V>(&mut out[..B * WIDTH])[..B];
    let mut sums: [Row<S, V>; B] = std::array::from_fn(|b| out[b]);
    for term in terms {
        let values = &vectors::<S, V>(&values[term.start..][..B * WIDTH])[..B];
        let factor = simd.splat_f32s(term.factor);
        for (sums, values) in sums.iter_mut().zip(values) {
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum = simd.mul_add_e_f32s(factor, value, *sum);
            }
        }
    }
    out.copy_from_slice(&sums);
}

/// `values` as rows of [`WIDTH`].
#[inline(always)]
pub fn vectors<S: Simd, const V: usize>(values: &[f32]) -> &[Row<S, V>] {
    S::as_simd_f32s(values).0.as_chunks().0
}

#[inline(always)]
pub fn vectors_mut<S: Simd, const V: usize>(values: &mut [f32]) -> &mut [Row<S, V>] {
    S::as_mut_simd_f32s(values).0.as_chunks_mut().0
}

/// Work for the best instruction set at hand, written for `V` vectors of it making up [`WIDTH`].
pub trait Kernel {
    fn run<S: Simd, const V: usize>(self, simd: S);
}

/// Runs a kernel on the best instruction set at hand.
pub fn dispatch(kernel: impl Kernel) {
    struct Dispatch<K>(K);
    impl<K: Kernel> pulp::WithSimd for Dispatch<K> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            match S::F32_LANES {
                16 => self.0.run::<S, 1>(simd),
                8 => self.0.run::<S, 2>(simd),
                4 => self.0.run::<S, 4>(simd),
                _ => self.0.run::<S, WIDTH>(simd),
            }
        }
    }
    arch().dispatch(Dispatch(kernel))
}
