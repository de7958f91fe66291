//! The gradient of the weights of a group of images: `dU = Σ V · dM` over the tiles, and `dg = Gᵀ dU G`.
//!
//! Blocks of channels are the outer loop, so that dU of a pair of them goes through the first-level cache: it is transformed
//! right after the last chunk of tiles has been added, and where there is only one chunk, it is written nowhere else. With many
//! channels dU is larger than the second-level cache, and a group then has few tiles.

use pulp::Simd;

use super::{
    product::product_over_tiles,
    stages::COLUMN_BLOCKS,
    tiling::Tiling,
    transforms::{Transforms, transform_2d},
};
use crate::cpu::{
    conv::shape::ConvShape,
    simd::{BLOCK_WIDTH, add, vectors, vectors_mut},
};

/// The number of weights of a pair of channels.
const TAPS: usize = 9;

/// Which of the chunks of tiles of a group of images it is.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub is_first: bool,
    pub is_last: bool,
}

impl Part {
    fn is_whole(self) -> bool {
        self.is_first && self.is_last
    }
}

/// The gradient of the weights of a group of images.
pub struct WeightGradient<'a> {
    /// dU, (pair of blocks of outputs, block of inputs, block of the pair, element, input, output): the sum over the chunks so far,
    /// of [`transformed_len`] values. Before the first chunk it has no meaning.
    pub transformed: &'a mut [f32],
    /// dg, (block of outputs, input, tap, [`BLOCK_WIDTH`] outputs), overwritten with the last chunk.
    pub gradient: &'a mut [f32],
}

/// Returns the length of [`WeightGradient::transformed`].
pub fn transformed_len<const OUT: usize>(s: &ConvShape, is_whole: bool) -> usize {
    let of_pair = COLUMN_BLOCKS * square_len::<OUT>();
    let pairs = s.out_channels.div_ceil(COLUMN_BLOCKS * BLOCK_WIDTH) * s.in_channels.div_ceil(BLOCK_WIDTH);
    if is_whole { of_pair } else { pairs * of_pair }
}

/// Returns the number of values of dU of two blocks of channels.
const fn square_len<const OUT: usize>() -> usize {
    Tiling::<OUT>::TILE_LEN * BLOCK_WIDTH * BLOCK_WIDTH
}

impl WeightGradient<'_> {
    /// Adds the products of a chunk of tiles: `pixels` is V of all blocks of input channels, and `dm` is dM of all blocks of output
    /// channels.
    #[inline(always)]
    pub fn add<S: Simd, F: Transforms<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
        &mut self,
        simd: S,
        s: &ConvShape,
        (tiles, part): (usize, Part),
        [pixels, dm]: [&[f32]; 2],
    ) {
        let (block_len, square) = (Tiling::<OUT>::BLOCK_LEN, square_len::<OUT>());
        let (of_input, inputs) = (TAPS * BLOCK_WIDTH, pixels.len() / block_len);
        let of_block = s.in_channels * of_input;
        for (pair, dm) in dm.chunks(COLUMN_BLOCKS * block_len).enumerate() {
            let gradient = &mut self.gradient[pair * COLUMN_BLOCKS * of_block..];
            for (input, pixels) in pixels.chunks_exact(block_len).enumerate() {
                let number = if part.is_whole() { 0 } else { pair * inputs + input };
                let blocks = dm.len() / block_len;
                let du = &mut self.transformed[number * COLUMN_BLOCKS * square..][..blocks * square];
                if V == 1 && blocks == 2 {
                    add_products::<S, V, OUT, 8, 2>(simd, tiles, part, pixels, dm, du);
                } else {
                    for (dm, du) in dm.chunks_exact(block_len).zip(du.chunks_exact_mut(square)) {
                        if V == 1 {
                            add_products::<S, V, OUT, 16, 1>(simd, tiles, part, pixels, dm, du);
                        } else {
                            add_products::<S, V, OUT, 4, 1>(simd, tiles, part, pixels, dm, du);
                        }
                    }
                }
                if part.is_last {
                    let channels = input * BLOCK_WIDTH..s.in_channels.min((input + 1) * BLOCK_WIDTH);
                    for (block, du) in du.chunks_exact(square).enumerate() {
                        let of_block = &mut gradient[block * of_block..][..of_block];
                        let dg = &mut of_block[channels.start * of_input..channels.end * of_input];
                        transform::<S, F, V, OUT, IN>(simd, du, dg);
                    }
                }
            }
        }
    }
}

/// Adds `Σ V · dM` over the tiles to dU of a block of input channels and `B` blocks of output channels, `R` input channels at a
/// time.
#[inline(always)]
fn add_products<S: Simd, const V: usize, const OUT: usize, const R: usize, const B: usize>(
    simd: S,
    tiles: usize,
    part: Part,
    pixels: &[f32],
    dm: &[f32],
    du: &mut [f32],
) {
    let (element_len, block_len) = (Tiling::<OUT>::STRIDE * BLOCK_WIDTH, Tiling::<OUT>::BLOCK_LEN);
    let square = square_len::<OUT>();
    for element in 0..Tiling::<OUT>::TILE_LEN {
        let mut panels: [&[f32]; B] = [&[]; B];
        for (block, b) in panels.iter_mut().enumerate() {
            *b = &dm[block * block_len + element * element_len..][..tiles * BLOCK_WIDTH];
        }
        let pixels = &pixels[element * element_len..][..tiles * BLOCK_WIDTH];
        for first in (0..BLOCK_WIDTH).step_by(R) {
            let sums = product_over_tiles::<S, V, R, B>(simd, pixels, first, panels);
            for block in 0..B {
                let start = block * square + (element * BLOCK_WIDTH + first) * BLOCK_WIDTH;
                let du = &mut vectors_mut::<S, V>(&mut du[start..])[..R];
                for (du, sums) in du.iter_mut().zip(&sums) {
                    *du = if part.is_first { sums[block] } else { add::<S, V>(simd, *du, sums[block]) };
                }
            }
        }
    }
}

/// Computes `dg = Gᵀ dU G` of a block of output channels and up to [`BLOCK_WIDTH`] input channels.
#[inline(always)]
fn transform<S: Simd, F: Transforms<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
    simd: S,
    du: &[f32],
    dg: &mut [f32],
) {
    let du = vectors::<S, V>(&du[..IN * IN * BLOCK_WIDTH * BLOCK_WIDTH]);
    for (input, dg) in vectors_mut::<S, V>(dg).as_chunks_mut::<TAPS>().0.iter_mut().enumerate() {
        for v in 0..V {
            transform_2d!(
                [IN => 3],
                simd.splat_f32s(0.),
                |y, x| du[(IN * y + x) * BLOCK_WIDTH + input][v],
                |line| adjoint::<S, F, OUT, IN>(simd, line),
                |y, x, value| dg[3 * y + x][v] = value
            );
        }
    }
}

/// Computes `Gᵀ u` for a line of dU.
#[inline(always)]
fn adjoint<S: Simd, F: Transforms<OUT, IN>, const OUT: usize, const IN: usize>(
    simd: S,
    u: [S::f32s; IN],
) -> [S::f32s; 3] {
    let mut line = [simd.splat_f32s(0.); 3];
    for (u, factors) in u.into_iter().zip(F::WEIGHTS) {
        for (sum, factor) in line.iter_mut().zip(factors) {
            if factor != 0. {
                *sum = simd.mul_add_e_f32s(simd.splat_f32s(factor as f32), u, *sum);
            }
        }
    }
    line
}
