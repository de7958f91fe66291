//! The two matrix products of a chunk of transformed tiles, of which a register block is computed at a time. Both operands
//! are panels of [`BLOCK_WIDTH`] channels, (tile or channel, [`BLOCK_WIDTH`]), so that neither product needs a table of
//! offsets and every load is from a few pages.
//!
//! With AVX-512 a block has 8 rows of two vectors: 10 loads, of which 8 are broadcasts that the multiplications take from
//! memory, for 16 multiplications, so that the two units for them are the bound. With AVX2 it has 4 rows of two vectors,
//! 6 loads for 8 multiplications, which hide the latency of four cycles exactly.

use std::ops::Range;

use pulp::Simd;

use crate::cpu::simd::{BLOCK_WIDTH, Row, vectors};

/// Computes a block of the product `(tiles × channels) · (channels × columns)`, summed over `channels`, which start at a
/// multiple of [`BLOCK_WIDTH`]. `a` starts at the first of the `R` tiles, and `distance` is that of its panels; each
/// panel of `b` has [`BLOCK_WIDTH`] columns of all channels.
#[inline(always)]
pub fn product_over_channels<S: Simd, const V: usize, const R: usize, const B: usize>(
    simd: S,
    a: &[f32],
    distance: usize,
    channels: Range<usize>,
    b: [&[f32]; B],
) -> [[Row<S, V>; B]; R] {
    let mut sums = [[[simd.splat_f32s(0.); V]; B]; R];
    for first in channels.clone().step_by(BLOCK_WIDTH) {
        let count = BLOCK_WIDTH.min(channels.end - first);
        let rows = &a[first / BLOCK_WIDTH * distance..].as_chunks::<BLOCK_WIDTH>().0[..R];
        let mut panels: [&[Row<S, V>]; B] = [&[]; B];
        for (panel, b) in panels.iter_mut().zip(b) {
            *panel = &vectors::<S, V>(&b[first * BLOCK_WIDTH..])[..count];
        }
        for k in 0..count {
            for (sums, row) in sums.iter_mut().zip(rows) {
                let x = simd.splat_f32s(row[k]);
                for (sums, panel) in sums.iter_mut().zip(panels) {
                    for (sum, &b) in sums.iter_mut().zip(&panel[k]) {
                        *sum = simd.mul_add_e_f32s(x, b, *sum);
                    }
                }
            }
        }
    }
    sums
}

/// Computes a block of the product `(channels × tiles) · (tiles × columns)`, summed over the tiles: the rows are the `R`
/// channels of the panel `a` from number `first` on, the columns those of the panels of `b`.
#[inline(always)]
pub fn product_over_tiles<S: Simd, const V: usize, const R: usize, const B: usize>(
    simd: S,
    a: &[f32],
    first: usize,
    b: [&[f32]; B],
) -> [[Row<S, V>; B]; R] {
    let mut sums = [[[simd.splat_f32s(0.); V]; B]; R];
    let tiles = a.as_chunks::<BLOCK_WIDTH>().0;
    let mut panels: [&[Row<S, V>]; B] = [&[]; B];
    for (panel, b) in panels.iter_mut().zip(b) {
        *panel = &vectors::<S, V>(b)[..tiles.len()];
    }
    for (tile, channels) in tiles.iter().enumerate() {
        for (sums, &x) in sums.iter_mut().zip(&channels[first..first + R]) {
            let x = simd.splat_f32s(x);
            for (sums, panel) in sums.iter_mut().zip(panels) {
                for (sum, &b) in sums.iter_mut().zip(&panel[tile]) {
                    *sum = simd.mul_add_e_f32s(x, b, *sum);
                }
            }
        }
    }
    sums
}
