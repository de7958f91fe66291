//! The matrix product that writes rows of a [`FeatureMap`]: `y (positions × C_out) = a (positions × K) · b (K × C_out)`, then
//! bias and ReLU.
//!
//! `a` is read where it lies: element k of a position at `start + offsets[k]`. `b` is packed in panels of [`BLOCK_WIDTH`]
//! columns, or of [`HALF_BLOCK`] for a narrow map. A register block of 9 positions × 2 panels, on instruction sets with
//! 16 registers of 6 positions × 1 panel, takes fewer loads than the load units can do beside its FMAs, so the kernel is bound
//! by these; the only panel of a narrow map is bound by its loads.

use std::ops::Range;

use pulp::Simd;

use super::feature_map::FeatureMap;
use crate::cpu::simd::{BLOCK_WIDTH, HALF_BLOCK, Kernel, Row, add, dispatch_width, relu, vectors, vectors_mut};

/// The largest number of positions of a register block. The broadcast values of nine, their 18 sums and two vectors of
/// columns fit the 32 registers of AVX-512.
const MOST_ROWS: usize = 9;

/// The columns of the product, prepared.
pub struct Product {
    /// Where the elements of a row of `a` lie, relative to the first one.
    offsets: Vec<usize>,
    /// The number of columns of a panel.
    width: usize,
    /// (panel, K, width)
    panels: Vec<f32>,
    /// (panel, width)
    bias: Vec<f32>,
    relu: bool,
}

impl Product {
    /// Takes weights (C_out, K) and bias (C_out) of a product that writes to `output`.
    pub fn new(offsets: Vec<usize>, output: &FeatureMap, weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Self {
        let depth = offsets.len();
        let width = if output.is_narrow() { HALF_BLOCK } else { BLOCK_WIDTH };
        let columns = output.channels.next_multiple_of(width);
        let mut panels = vec![0.; columns * depth];
        for (channel, weight) in weight.chunks_exact(depth).enumerate() {
            let panel = &mut panels[channel / width * width * depth + channel % width..];
            panel.iter_mut().step_by(width).zip(weight).for_each(|(value, weight)| *value = *weight);
        }
        let mut padded_bias = bias.map_or(Vec::new(), <[f32]>::to_vec);
        padded_bias.resize(columns, 0.);
        Self { offsets, width, panels, bias: padded_bias, relu }
    }
}

/// Computes some rows of a feature map.
pub struct ProductRows<'a> {
    pub product: &'a Product,
    pub a: &'a [f32],
    /// The distances in `a` of positions in neighbouring rows and columns.
    pub steps: [usize; 2],
    pub output: &'a FeatureMap,
    /// The rows to compute. The first of them reads from the start of `a`.
    pub rows: Range<usize>,
    /// The map from the first position of these rows on.
    pub y: &'a mut [f32],
}

impl Kernel for ProductRows<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let panels = self.product.bias.len() / self.product.width;
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
        let (width, pitch) = (self.output.size[1], self.output.pitch);
        let mut left = self.rows.len() * width;
        let (mut next, mut columns_left) = (Place::default(), width);
        // From the last position of a row to the first of the next.
        let line_break = [self.steps[0] - (width - 1) * self.steps[1], self.output.row_len() - (width - 1) * pitch];
        while left > 0 {
            // Blocks of about the same height: one of 9 and one of 1 would take longer than two of 5.
            let count = left.div_ceil(left.div_ceil(MOST));
            let mut places = [next; MOST_ROWS];
            for place in &mut places[..count] {
                *place = next;
                columns_left -= 1;
                let step = if columns_left > 0 { [self.steps[1], pitch] } else { line_break };
                columns_left = if columns_left > 0 { columns_left } else { width };
                next = Place { a: next.a + step[0], y: next.y + step[1] };
            }
            // Rows that a block has too many repeat its last position, and write the same values there.
            let last = places[count - 1];
            places[count..].fill(last);
            match count.div_ceil(3) {
                1 => self.block::<S, V, C, 3>(simd, panel, &places),
                2 => self.block::<S, V, C, 6>(simd, panel, &places),
                _ if MOST > 6 => self.block::<S, V, C, MOST_ROWS>(simd, panel, &places),
                _ => unreachable!("a block has at most {MOST} positions"),
            }
            left -= count;
        }
    }

    /// Computes `C` panels for the first `R` of these positions.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const C: usize, const R: usize>(
        &mut self,
        simd: S,
        panel: usize,
        places: &[Place; MOST_ROWS],
    ) {
        let Product { offsets, width, panels, bias, relu: with_relu } = self.product;
        let (depth, furthest) = (offsets.len(), places[R - 1].a + offsets[offsets.len() - 1]);
        let b: [&[Row<S, V>]; C] =
            std::array::from_fn(|c| &vectors::<S, V>(&panels[(panel + c) * depth * width..])[..depth]);
        let rows: [&[f32]; R] = std::array::from_fn(|r| &self.a[places[r].a..]);
        assert!(furthest < self.a.len() && rows.iter().all(|row| row.len() >= rows[R - 1].len()));
        let mut sums = [[[simd.splat_f32s(0.); V]; C]; R];
        for (k, &offset) in offsets.iter().enumerate() {
            let b: [Row<S, V>; C] = std::array::from_fn(|c| b[c][k]);
            for (sums, row) in sums.iter_mut().zip(rows) {
                // SAFETY: offsets ascend, so none is larger than the last, which lies within the last row of `a`, as is
                // asserted above; no other row is shorter.
                let a = simd.splat_f32s(unsafe { *row.get_unchecked(offset) });
                for (sum, b) in sums.as_flattened_mut().iter_mut().zip(b.as_flattened()) {
                    *sum = simd.mul_add_e_f32s(a, *b, *sum);
                }
            }
        }
        let first = panel * width;
        // Not from `std::array::from_fn`, which is not inlined here: the sums would have to leave their registers.
        let bias = &vectors::<S, V>(&bias[first..])[..C];
        for (sums, place) in sums.iter().zip(places) {
            let y = &mut vectors_mut::<S, V>(&mut self.y[place.y + first..])[..C];
            for c in 0..C {
                let sum = add::<S, V>(simd, sums[c], bias[c]);
                y[c] = if *with_relu { relu::<S, V>(simd, sum) } else { sum };
            }
        }
    }
}

/// Where a position lies in `a` and in the feature map.
#[derive(Clone, Copy, Default)]
struct Place {
    a: usize,
    y: usize,
}
