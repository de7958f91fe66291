//! The kernel: one block of the result is kept in registers while the sum runs over the inner dimension.

use std::ops::Range;

use pulp::Simd;

use super::{
    DEPTH,
    pack::{PanelRows, Panels},
};
use crate::cpu::simd::{BLOCK_WIDTH, CacheAligned, Kernel, Row, add, vectors, vectors_mut};

/// A product of some rows with all panels.
pub struct Product<'a, 'o> {
    /// (rows, depth)
    pub a: &'a [f32],
    /// (depth, columns)
    pub b: Panels<'a>,
    pub depth: usize,
    pub columns: usize,
    /// The rows of the result, of `columns` values each.
    pub out: &'a mut [&'o mut [f32]],
}

impl Kernel for Product<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let panels = self.columns.div_ceil(BLOCK_WIDTH);
        for first in (0..self.depth).step_by(DEPTH) {
            let terms = first..(first + DEPTH).min(self.depth);
            let mut panel = 0;
            while panel < panels {
                // AVX-512 has registers for the sums of four panels.
                panel += match (V, panels - panel) {
                    (1, 4..) => self.panels::<S, V, 4>(simd, panel, &terms),
                    (1, 2..) => self.panels::<S, V, 2>(simd, panel, &terms),
                    _ => self.panels::<S, V, 1>(simd, panel, &terms),
                };
            }
        }
    }
}

impl Product<'_, '_> {
    /// Adds some terms of all sums of `P` panels, in register blocks, and returns `P`.
    #[inline(always)]
    fn panels<S: Simd, const V: usize, const P: usize>(
        &mut self,
        simd: S,
        panel: usize,
        terms: &Range<usize>,
    ) -> usize {
        let rows = self.out.len();
        let mut row = 0;
        while row < rows {
            // Batches are powers of two, of which sixes and a four leave no row over.
            row += match rows - row {
                5.. => self.block::<S, V, 6, P>(simd, row, panel, terms),
                _ => self.block::<S, V, 4, P>(simd, row, panel, terms),
            };
        }
        P
    }

    /// Adds some terms of a block's sums and returns its number of rows, `R`. Those beyond the last row of the matrix are
    /// computed from the last and not written.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const R: usize, const P: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: usize,
        terms: &Range<usize>,
    ) -> usize {
        let Self { a, b, depth, columns, out } = self;
        let last = out.len() - 1;
        let a: [&[f32]; R] = std::array::from_fn(|r| &a[(row + r).min(last) * *depth..][terms.clone()]);
        let b: [PanelRows; P] = std::array::from_fn(|p| b.rows(panel + p, terms));
        let sums = block_sums::<S, V, R, P>(simd, terms.len(), a, b);
        for (r, sums) in (row..=last).zip(sums) {
            for (p, sums) in (panel..).zip(sums) {
                let out = &mut out[r][p * BLOCK_WIDTH..(*columns).min((p + 1) * BLOCK_WIDTH)];
                write(simd, sums, out, terms.start > 0);
            }
        }
        R
    }
}

/// Computes `sums[r][p] = Σ_k a[r][k] · b[p][k]`.
#[inline(always)]
fn block_sums<S: Simd, const V: usize, const R: usize, const P: usize>(
    simd: S,
    len: usize,
    a: [&[f32]; R],
    b: [PanelRows; P],
) -> [[Row<S, V>; P]; R] {
    assert!(a.iter().all(|a| a.len() == len));
    assert!(b.iter().all(|b| b.values.len() == (len - 1) * b.stride + BLOCK_WIDTH));
    let mut sums = [[[simd.splat_f32s(0.); V]; P]; R];
    for k in 0..len {
        let b: [Row<S, V>; P] = std::array::from_fn(|p| {
            let start = k * b[p].stride;
            // SAFETY: k < len, so the row ends at the latest at the length that the assertion requires.
            vectors::<S, V>(unsafe { b[p].values.get_unchecked(start..start + BLOCK_WIDTH) })[0]
        });
        for (sums, a) in sums.iter_mut().zip(&a) {
            // SAFETY: the length of each row of `a` is `len`.
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
    if accumulate {
        out.iter_mut().zip(values.0).for_each(|(out, value)| *out += value);
    } else {
        out.copy_from_slice(&values.0[..out.len()]);
    }
}
