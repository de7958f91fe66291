//! The stages that the forward and the backward pass share, for a chunk of tiles.

use pulp::Simd;

use super::{
    tiling::{Tile, Tiling},
    transforms::{Transforms, transform_2d},
};
use crate::cpu::{
    conv::shape::ConvShape,
    micro_kernel::{BLOCK_ROWS, OffsetRange, block_product},
    simd::{BLOCK_WIDTH, vectors, vectors_mut},
};

/// Computes the matrix product of each element of a tile: `tiles` rows of `from`, which are `len` values apart and of
/// which `channels` are read, times the weights of a block of columns.
#[inline(always)]
pub fn multiply<S: Simd, const V: usize, const OUT: usize>(
    simd: S,
    tiles: usize,
    from: &[f32],
    len: usize,
    channels: OffsetRange,
    weight: &[f32],
    out: &mut [f32],
) {
    let chunk = Tiling::<OUT>::CHUNK;
    let elements =
        weight.chunks_exact(weight.len() / Tiling::<OUT>::TILE_LEN).zip(out.chunks_exact_mut(chunk * BLOCK_WIDTH));
    for (element, (weight, out)) in elements.enumerate() {
        let groups = vectors_mut::<S, V>(out).as_chunks_mut::<BLOCK_ROWS>().0.iter_mut();
        for (group, out) in groups.take(tiles.div_ceil(BLOCK_ROWS)).enumerate() {
            let rows = rows_from(element * chunk + group * BLOCK_ROWS, len);
            *out = block_product(simd, from, &rows, channels, weight);
        }
    }
}

/// Returns where [`BLOCK_ROWS`] rows of `len` values start, from row `first` on.
#[inline(always)]
fn rows_from(first: usize, len: usize) -> [usize; BLOCK_ROWS] {
    let mut rows = [0; BLOCK_ROWS];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = (first + r) * len;
    }
    rows
}

/// Transforms the pixels of the tiles, `V = Bᵀ d B`, to the order (element, tile, channel).
#[inline(always)]
pub fn transform_pixels<S: Simd, F: Transforms<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
    simd: S,
    t: &Tiling<OUT>,
    s: &ConvShape,
    row_len: usize,
    tiles: &[Tile<OUT>],
    images: &[f32],
    out: &mut [f32],
) {
    let pixel = s.in_channels;
    let (distance, zero) = (Tiling::<OUT>::CHUNK * t.padded_channels, simd.splat_f32s(0.));
    for (i, tile) in tiles.iter().enumerate() {
        for first in (0..t.padded_channels).step_by(BLOCK_WIDTH) {
            let mut lines = [images; IN];
            for (y, line) in lines.iter_mut().enumerate() {
                *line = &images[tile.start + y * row_len + first..][..(IN - 1) * pixel + BLOCK_WIDTH];
            }
            let out = &mut out[i * t.padded_channels + first..][..(IN * IN - 1) * distance + BLOCK_WIDTH];
            for v in 0..V {
                transform_2d!(
                    [IN => IN],
                    zero,
                    |y, x| vectors::<S, V>(&lines[y][x * pixel..][..BLOCK_WIDTH])[0][v],
                    |d| F::pixels(simd, d),
                    |y, x, value| vectors_mut::<S, V>(&mut out[(IN * y + x) * distance..][..BLOCK_WIDTH])[0][v] = value
                );
            }
        }
    }
}
