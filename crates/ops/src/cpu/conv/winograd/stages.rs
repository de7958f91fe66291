//! The stages that the forward and the backward pass share, for a chunk of tiles. Transformed tiles have the order (block
//! of channels, element, tile, [`BLOCK_WIDTH`]), with [`Tiling::STRIDE`] rows for an element.

use pulp::Simd;

use super::{
    in_image::{Place, Places},
    product::product_over_channels,
    tiling::{Tile, Tiling},
    transforms::{Transforms, transform_2d},
};
use crate::cpu::{
    conv::shape::ConvShape,
    simd::{BLOCK_WIDTH, Row, add, vectors, vectors_mut},
};

/// The number of blocks of output columns that are computed together; the last may be alone.
pub const COLUMN_BLOCKS: usize = 2;

/// Computes the matrix product of each element of a tile, over `channels` channels of the transformed tiles `from`, for
/// up to [`COLUMN_BLOCKS`] blocks of columns. `weight` is (block, element, channel, [`BLOCK_WIDTH`]).
#[inline(always)]
pub fn multiply<S: Simd, const V: usize, const OUT: usize>(
    simd: S,
    tiles: usize,
    from: &[f32],
    channels: usize,
    weight: &[f32],
    out: &mut [f32],
) {
    let weight_len = Tiling::<OUT>::TILE_LEN * channels * BLOCK_WIDTH;
    if V == 1 && weight.len() > weight_len {
        return multiply_blocks::<S, V, OUT, 8, 2>(simd, tiles, from, channels, weight, out);
    }
    for (weight, out) in weight.chunks_exact(weight_len).zip(out.chunks_exact_mut(Tiling::<OUT>::BLOCK_LEN)) {
        if V == 1 {
            multiply_blocks::<S, V, OUT, 8, 1>(simd, tiles, from, channels, weight, out);
        } else {
            multiply_blocks::<S, V, OUT, 4, 1>(simd, tiles, from, channels, weight, out);
        }
    }
}

/// Computes [`multiply`] for `B` blocks of columns, `R` tiles at a time.
///
/// The channels are summed in two halves: that halves the rounding error where there are many of them, which F(4×4)
/// needs.
#[inline(always)]
fn multiply_blocks<S: Simd, const V: usize, const OUT: usize, const R: usize, const B: usize>(
    simd: S,
    tiles: usize,
    from: &[f32],
    channels: usize,
    weight: &[f32],
    out: &mut [f32],
) {
    let (panel, element_len) = (channels * BLOCK_WIDTH, Tiling::<OUT>::STRIDE * BLOCK_WIDTH);
    let half = (channels / 2).next_multiple_of(BLOCK_WIDTH).min(channels);
    for element in 0..Tiling::<OUT>::TILE_LEN {
        let mut panels: [&[f32]; B] = [&[]; B];
        for (block, b) in panels.iter_mut().enumerate() {
            *b = &weight[(block * Tiling::<OUT>::TILE_LEN + element) * panel..][..panel];
        }
        for first in (0..tiles).step_by(R) {
            let start = element * element_len + first * BLOCK_WIDTH;
            let (from, out) = (&from[start..], &mut out[start..]);
            // The last block has fewer rows if there are few tiles left. Each row has the same bits in any block.
            match tiles - first {
                1..=2 if R > 4 => multiply_rows::<S, V, OUT, 2, B>(simd, from, [half, channels], panels, out),
                3..=4 if R > 4 => multiply_rows::<S, V, OUT, 4, B>(simd, from, [half, channels], panels, out),
                _ => multiply_rows::<S, V, OUT, R, B>(simd, from, [half, channels], panels, out),
            }
        }
    }
}

/// Computes [`multiply_blocks`] for one element of `R` tiles: the sum over the first `half` channels and that over the others.
#[inline(always)]
fn multiply_rows<S: Simd, const V: usize, const OUT: usize, const R: usize, const B: usize>(
    simd: S,
    from: &[f32],
    [half, channels]: [usize; 2],
    panels: [&[f32]; B],
    out: &mut [f32],
) {
    let block_len = Tiling::<OUT>::BLOCK_LEN;
    let mut sums = product_over_channels::<S, V, R, B>(simd, from, block_len, 0..half, panels);
    if half < channels {
        let second = product_over_channels::<S, V, R, B>(simd, from, block_len, half..channels, panels);
        for (sums, second) in sums.as_flattened_mut().iter_mut().zip(second.as_flattened()) {
            *sums = add::<S, V>(simd, *sums, *second);
        }
    }
    for block in 0..B {
        let out = &mut vectors_mut::<S, V>(&mut out[block * block_len..])[..R];
        for (out, sums) in out.iter_mut().zip(&sums) {
            *out = sums[block];
        }
    }
}

/// Where the pixels of tiles are read.
#[derive(Clone, Copy)]
pub enum Pixels<'a> {
    /// In padded images, channels last, [`Tiling::image_len`] values each.
    Padded(&'a [f32]),
    /// In images as they are, channels last, whose channels fill whole blocks.
    Unpadded(&'a [f32], &'a Places),
}

/// Transforms the pixels of the tiles, `V = Bᵀ d B`. In the last block of channels, those beyond C_in have no meaning.
#[inline(always)]
pub fn transform_pixels<S: Simd, F: Transforms<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
    simd: S,
    s: &ConvShape,
    tiles: &[Tile<OUT>],
    pixels: Pixels,
    out: &mut [f32],
) {
    let padded_row = s.padded_input().row_len();
    for (block, out) in out.chunks_exact_mut(Tiling::<OUT>::BLOCK_LEN).enumerate() {
        for (i, tile) in tiles.iter().enumerate() {
            let out = tile_elements::<S, V, OUT>(out, i);
            let of_block = block * BLOCK_WIDTH;
            match pixels {
                Pixels::Padded(images) => {
                    let first = &images[tile.start + of_block..];
                    transform_tile::<S, F, V, OUT, IN>(simd, first, [padded_row, s.in_channels], out);
                }
                Pixels::Unpadded(images, places) => {
                    let image = &images[tile.image * s.input_len() + of_block..];
                    match places.of_tile(tile.number) {
                        Place::Within(start) => {
                            let steps = [s.input[1] * s.in_channels, s.in_channels];
                            transform_tile::<S, F, V, OUT, IN>(simd, &image[start..], steps, out);
                        }
                        Place::AtEdge(indices) => transform_edge_tile::<S, F, V, OUT, IN>(simd, image, indices, out),
                    }
                }
            }
        }
    }
}

/// Transforms the pixels of a tile. `first` starts with a block of channels of the first; `steps` are the distances of rows and
/// of pixels.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // `v` indexes the rows of several slices.
fn transform_tile<S: Simd, F: Transforms<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
    simd: S,
    first: &[f32],
    [row, pixel]: [usize; 2],
    out: &mut [Row<S, V>],
) {
    let mut lines = [first; IN];
    for (y, line) in lines.iter_mut().enumerate() {
        *line = &first[y * row..][..(IN - 1) * pixel + BLOCK_WIDTH];
    }
    for v in 0..V {
        transform_2d!(
            [IN => IN],
            simd.splat_f32s(0.),
            |y, x| vectors::<S, V>(&lines[y][x * pixel..][..BLOCK_WIDTH])[0][v],
            |d| F::pixels(simd, d),
            |y, x, value| out[(IN * y + x) * Tiling::<OUT>::STRIDE][v] = value
        );
    }
}

/// Transforms the pixels of a tile that reaches beyond an edge. `image` starts with a block of channels of its first pixel;
/// `indices` are those of the tile's pixels, as in [`Place::AtEdge`].
#[inline(always)]
#[allow(clippy::needless_range_loop)] // `v` indexes the rows of several slices.
fn transform_edge_tile<S: Simd, F: Transforms<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
    simd: S,
    image: &[f32],
    indices: &[usize],
    out: &mut [Row<S, V>],
) {
    // Without branches: which pixels lie beyond the edge differs from tile to tile.
    let border = [0.; BLOCK_WIDTH];
    for v in 0..V {
        transform_2d!(
            [IN => IN],
            simd.splat_f32s(0.),
            |y, x| {
                let index = indices[IN * y + x];
                let pixel = image.get(index..index.wrapping_add(BLOCK_WIDTH)).unwrap_or(&border);
                vectors::<S, V>(pixel)[0][v]
            },
            |d| F::pixels(simd, d),
            |y, x, value| out[(IN * y + x) * Tiling::<OUT>::STRIDE][v] = value
        );
    }
}

/// Returns the rows of a block of channels of transformed tiles from the first element of tile `i` on. The next element is
/// [`Tiling::STRIDE`] rows further.
#[inline(always)]
pub fn tile_elements<S: Simd, const V: usize, const OUT: usize>(block: &mut [f32], i: usize) -> &mut [Row<S, V>] {
    let rows = (Tiling::<OUT>::TILE_LEN - 1) * Tiling::<OUT>::STRIDE + 1;
    &mut vectors_mut::<S, V>(&mut block[i * BLOCK_WIDTH..])[..rows]
}
