//! The matrix product that writes rows of a [`FeatureMap`]: `y (positions × C_out) = a (positions × C_in) · b (C_in × C_out)`,
//! then bias and ReLU.
//!
//! `b` is packed in panels of [`BLOCK_WIDTH`] columns, or of [`HALF_BLOCK`] for a narrow map. A register block of 9 positions ×
//! 2 panels, on instruction sets with 16 registers of 6 positions × 1 panel, takes fewer loads than the load units can do
//! beside its FMAs, so the kernel is bound by these; the only panel of a narrow map is bound by its loads.

use std::ops::Range;

use pulp::Simd;

use super::{columns::Columns, feature_map::FeatureMap};
use crate::cpu::simd::{BLOCK_WIDTH, HALF_BLOCK, Kernel, Row, add, at_least, dispatch_width, vectors, vectors_mut};

/// The largest number of positions of a register block. The broadcast values of nine, their 18 sums and two vectors of
/// columns fit the 32 registers of AVX-512.
const MOST_ROWS: usize = 9;

/// The number of positions behind the last one that the kernel may read.
pub const BEHIND: usize = 2;

/// The number of steps of the sums in one round of a loop. Then the CPU predicts the end of a loop over 128 channels.
const STEPS: usize = 4;

/// The columns of the product, prepared.
pub struct Product {
    /// The number of input channels.
    depth: usize,
    /// The number of columns of a panel.
    width: usize,
    /// A panel is a block of `width` channels.
    columns: Columns,
}

impl Product {
    /// Takes weights (C_out, C_in), bias (C_out) and whether a ReLU follows, for a product that writes to `output`.
    pub fn new(depth: usize, output: &FeatureMap, layer: (&[f32], Option<&[f32]>, bool)) -> Self {
        let width = if output.is_narrow() { HALF_BLOCK } else { BLOCK_WIDTH };
        Self { depth, width, columns: Columns::new(layer, depth, width, output.channels) }
    }
}

/// Computes some rows of a feature map.
pub struct ProductRows<'a> {
    pub product: &'a Product,
    /// The positions of these rows one after another, and [`BEHIND`] more, which have no influence on the results.
    pub a: &'a [f32],
    /// The distance of two positions in `a`.
    pub pitch: usize,
    pub output: &'a FeatureMap,
    /// The rows to compute.
    pub rows: Range<usize>,
    /// The map from the first position of these rows on.
    pub y: &'a mut [f32],
}

impl Kernel for ProductRows<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let panels = self.product.columns.bias.len() / self.product.width;
        let mut panel = 0;
        while panel < panels {
            if V == 1 && panel + 1 < panels {
                self.panels::<S, V, 2, MOST_ROWS>(simd, panel);
                panel += 2;
            } else if V == 1 {
                self.panels::<S, V, 1, MOST_ROWS>(simd, panel);
                panel += 1;
            } else {
                self.panels::<S, V, 1, 6>(simd, panel);
                panel += 1;
            }
        }
    }
}

impl ProductRows<'_> {
    /// Computes the rows.
    pub fn compute(self) {
        dispatch_width(self.product.width, self);
    }

    /// Computes `C` panels for all positions, at most `MOST` of them at a time.
    #[inline(always)]
    fn panels<S: Simd, const V: usize, const C: usize, const MOST: usize>(&mut self, simd: S, panel: usize) {
        let total = self.rows.len() * self.output.size[1];
        let (mut done, mut place) = (0, Place { y: panel * self.product.width, column: 0 });
        while done < total {
            let left = total - done;
            // Blocks of about the same height: one of 9 and one of 1 would take longer than two of 5.
            let count = if left <= MOST || left >= 2 * MOST { left.min(MOST) } else { left.div_ceil(2) };
            match count {
                1..=3 => self.block::<S, V, C, 3>(simd, panel, [done, count], &mut place),
                4..=6 => self.block::<S, V, C, 6>(simd, panel, [done, count], &mut place),
                _ => self.block::<S, V, C, MOST>(simd, panel, [done, count], &mut place),
            }
            done += count;
        }
    }

    /// Computes `C` panels for the first `count` of `R` positions from number `first` on. `place` is that of the first, and
    /// becomes that of the next.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const C: usize, const R: usize>(
        &mut self,
        simd: S,
        panel: usize,
        [first, count]: [usize; 2],
        place: &mut Place,
    ) {
        let Product { depth, width, columns: Columns { weight, bias, least } } = self.product;
        let (depth, pitch) = (*depth, self.pitch);
        // Not with `std::array::from_fn`, which is not inlined here.
        let mut b: [&[Row<S, V>]; C] = [&[]; C];
        for (c, b) in b.iter_mut().enumerate() {
            *b = &vectors::<S, V>(&weight[(panel + c) * depth * width..])[..depth];
        }
        let a = &self.a[first * pitch..];
        let mut rows: [&[f32]; R] = [&[]; R];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = &a[r * pitch..][..depth];
        }
        let mut sums = [[[simd.splat_f32s(0.); V]; C]; R];
        add_products::<S, V, C, R, STEPS>(simd, &mut sums, rows, b);
        let whole = depth / STEPS * STEPS;
        if whole < depth {
            for row in &mut rows {
                *row = &row[whole..];
            }
            for b in &mut b {
                *b = &b[whole..];
            }
            add_products::<S, V, C, R, 1>(simd, &mut sums, rows, b);
        }
        let bias = &vectors::<S, V>(&bias[panel * width..])[..C];
        let least = simd.splat_f32s(*least);
        for (r, sums) in sums.iter().enumerate() {
            if r < count {
                let y = &mut vectors_mut::<S, V>(&mut self.y[place.y..])[..C];
                for c in 0..C {
                    y[c] = at_least::<S, V>(simd, add::<S, V>(simd, sums[c], bias[c]), least);
                }
                place.advance(self.output);
            }
        }
    }
}

/// Adds the products of `rows` (R, K) and `b` (C, K, row of a block), `N` steps of K at a time as far as these are whole.
#[inline(always)]
fn add_products<S: Simd, const V: usize, const C: usize, const R: usize, const N: usize>(
    simd: S,
    sums: &mut [[Row<S, V>; C]; R],
    rows: [&[f32]; R],
    b: [&[Row<S, V>]; C],
) {
    let steps = rows[0].len() / N;
    let mut rows_in_steps: [&[[f32; N]]; R] = [&[]; R];
    for (to, row) in rows_in_steps.iter_mut().zip(rows) {
        *to = &row.as_chunks().0[..steps];
    }
    let mut b_in_steps: [&[[Row<S, V>; N]]; C] = [&[]; C];
    for (to, b) in b_in_steps.iter_mut().zip(b) {
        *to = &b.as_chunks().0[..steps];
    }
    for step in 0..steps {
        for k in 0..N {
            for (sums, row) in sums.iter_mut().zip(&rows_in_steps) {
                let a = simd.splat_f32s(row[step][k]);
                for (sums, b) in sums.iter_mut().zip(&b_in_steps) {
                    for (sum, b) in sums.iter_mut().zip(b[step][k]) {
                        *sum = simd.mul_add_e_f32s(a, b, *sum);
                    }
                }
            }
        }
    }
}

/// Where a position lies in the feature map.
struct Place {
    y: usize,
    column: usize,
}

impl Place {
    /// Goes on to the next position.
    #[inline(always)]
    fn advance(&mut self, map: &FeatureMap) {
        self.column += 1;
        self.y += map.pitch;
        if self.column == map.size[1] {
            self.column = 0;
            self.y += 2 * map.border[1] * map.pitch;
        }
    }
}
