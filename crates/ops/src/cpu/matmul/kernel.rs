//! The kernel: one block of the result is kept in registers while the sum runs over the inner dimension.

use std::ops::Range;

use pulp::Simd;

use super::{DEPTH, pack::Panels};
use crate::cpu::simd::{BLOCK_WIDTH, CacheAligned, Kernel, Row, add, vectors, vectors_mut};

/// A product of some rows with all panels.
pub struct Product<'a> {
    /// (rows, depth)
    pub a: &'a [f32],
    /// (depth, columns)
    pub b: &'a Panels<'a>,
    pub depth: usize,
    pub columns: usize,
    /// (rows, columns)
    pub out: &'a mut [f32],
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        if V == 1 {
            // 16 sums in as many of the 32 registers of AVX-512.
            self.in_blocks::<S, V, 8, 4, 2>(simd);
        } else {
            // 12 sums in as many of the 16 registers of AVX2.
            self.in_blocks::<S, V, 6, 3, 1>(simd);
        }
    }
}

impl Product<'_> {
    /// Computes the product in register blocks of `R` rows, or `HALF` where fewer are left, and `P` panels.
    #[inline(always)]
    fn in_blocks<S: Simd, const V: usize, const R: usize, const HALF: usize, const P: usize>(mut self, simd: S) {
        let rows = self.out.len() / self.columns;
        let panels = self.columns.div_ceil(BLOCK_WIDTH);
        for first_term in (0..self.depth).step_by(DEPTH) {
            let terms = first_term..(first_term + DEPTH).min(self.depth);
            let mut panel = 0;
            while panel < panels {
                let several = panel + P <= panels;
                let mut row = 0;
                while row < rows {
                    let whole = rows - row > HALF;
                    match (whole, several) {
                        (true, true) => self.block::<S, V, R, P>(simd, row, panel, &terms),
                        (true, false) => self.block::<S, V, R, 1>(simd, row, panel, &terms),
                        (false, true) => self.block::<S, V, HALF, P>(simd, row, panel, &terms),
                        (false, false) => self.block::<S, V, HALF, 1>(simd, row, panel, &terms),
                    }
                    row += if whole { R } else { HALF };
                }
                panel += if several { P } else { 1 };
            }
        }
    }

    /// Adds some terms of a block's sums. Rows beyond the last are computed from the last and not written.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const R: usize, const P: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: usize,
        terms: &Range<usize>,
    ) {
        let Self { a, b, depth, columns, out } = self;
        let last = out.len() / *columns - 1;
        let a: [&[f32]; R] = std::array::from_fn(|r| &a[(row + r).min(last) * *depth..][terms.clone()]);
        let b: [&[Row<S, V>]; P] =
            std::array::from_fn(|p| &vectors::<S, V>(b.rows(panel + p, terms.clone()))[..terms.len()]);
        let sums = block_sums(simd, terms.len(), a, b);
        for (out, sums) in out.chunks_exact_mut(*columns).skip(row).zip(sums) {
            for (p, sums) in (panel..).zip(sums) {
                let out = &mut out[p * BLOCK_WIDTH..];
                let out = if out.len() < BLOCK_WIDTH { out } else { &mut out[..BLOCK_WIDTH] };
                write(simd, sums, out, terms.start > 0);
            }
        }
    }
}

/// Computes `sums[r][p] = Σ_k a[r][k] · b[p][k]`.
#[inline(always)]
fn block_sums<S: Simd, const V: usize, const R: usize, const P: usize>(
    simd: S,
    len: usize,
    a: [&[f32]; R],
    b: [&[Row<S, V>]; P],
) -> [[Row<S, V>; P]; R] {
    assert!(a.iter().all(|a| a.len() == len) && b.iter().all(|b| b.len() == len));
    let mut sums = [[[simd.splat_f32s(0.); V]; P]; R];
    for k in 0..len {
        // SAFETY: all lengths are `len`.
        let b: [Row<S, V>; P] = std::array::from_fn(|p| unsafe { *b[p].get_unchecked(k) });
        for (sums, a) in sums.iter_mut().zip(&a) {
            // SAFETY: as above.
            let a = simd.splat_f32s(unsafe { *a.get_unchecked(k) });
            for (sums, b) in sums.iter_mut().zip(&b) {
                for (sum, &b) in sums.iter_mut().zip(b) {
                    *sum = simd.mul_add_e_f32s(a, b, *sum);
                }
            }
        }
    }
    sums
}

/// Writes a row of a block, or adds it to what is there. At the right edge of the matrix, `out` is shorter than the row.
#[inline(always)]
fn write<S: Simd, const V: usize>(simd: S, sums: Row<S, V>, out: &mut [f32], accumulate: bool) {
    if out.len() == BLOCK_WIDTH {
        let out = &mut vectors_mut::<S, V>(out)[0];
        *out = if accumulate { add::<S, V>(simd, *out, sums) } else { sums };
        return;
    }
    let mut values = CacheAligned([0.; BLOCK_WIDTH]);
    vectors_mut::<S, V>(&mut values.0)[0] = sums;
    for (out, value) in out.iter_mut().zip(values.0) {
        *out = if accumulate { *out + value } else { value };
    }
}
