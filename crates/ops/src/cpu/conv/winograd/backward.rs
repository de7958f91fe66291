//! The exact adjoint of the forward pass, for a chunk of tiles at a time: `dM = A dY Aᵀ`, `dU = Σ V · dM`,
//! `dV = Σ dM · U` and `dd = B dV Bᵀ`. Images and their gradients are padded and channels last.

use std::{marker::PhantomData, ops::Range};

use pulp::Simd;

use super::{
    stages::{COLUMN_BLOCKS, Pixels, multiply, tile_elements, transform_pixels},
    tiling::{Tile, Tiling},
    transforms::{Transforms, transform_2d},
    weight_gradient::{Part, WeightGradient, transformed_len},
    weights,
};
use crate::cpu::{
    backward_pass::BackwardPass,
    conv::{
        algorithm::BackwardAlgorithm,
        padded_backward::{PaddedBackward, PaddedImages},
        patch_layout::PatchLayout,
        shape::ConvShape,
    },
    image_groups::GroupGradients,
    scratch,
    simd::{BLOCK_WIDTH, Kernel, Row, dispatch, vectors, vectors_mut},
};

/// The largest number of images to compute together. A group of images is a task of its own, so this may be larger than
/// in the forward pass.
const MOST_IMAGES: usize = 8;

/// The backward pass of F(OUT×OUT, 3×3), with IN = OUT + 2.
pub struct WinogradBackward<F, const OUT: usize, const IN: usize> {
    s: ConvShape,
    layout: PatchLayout,
    tiling: Tiling<OUT>,
    /// The weights as packed by [`weights::pack_for_input_gradient`], if the gradient of the input is wanted.
    weight: Option<Vec<f32>>,
    transforms: PhantomData<F>,
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> WinogradBackward<F, OUT, IN> {
    /// Takes weights (C_out, C_in, 3, 3) if the gradient of the input is wanted.
    pub fn new(s: &ConvShape, weight: Option<&[f32]>) -> Self {
        let layout = PatchLayout::channels_last(s);
        let tiling = Tiling::new(s, &layout, MOST_IMAGES);
        let weight = weight.map(|weight| weights::pack_for_input_gradient::<F, OUT, IN>(s, weight));
        Self { s: *s, layout, tiling, weight, transforms: PhantomData }
    }

    /// Returns the number of blocks of input channels.
    fn input_blocks(&self) -> usize {
        self.s.in_channels.div_ceil(BLOCK_WIDTH)
    }

    /// Returns whether the tiles of this number of images are a single chunk.
    fn is_single_chunk(&self, images: usize) -> bool {
        images <= self.tiling.images_per_call && self.tiling.chunks(images).len() == 1
    }
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> BackwardAlgorithm for WinogradBackward<F, OUT, IN> {
    fn weight_gradient_len(&self) -> usize {
        weights::gradient_len(&self.s)
    }

    /// The transform of the weight gradient is undone for each group of images: its result is smaller by up to four times,
    /// and so is the memory for all groups.
    fn add_gradients(&self, pass: &BackwardPass, images: Range<usize>, gradients: GroupGradients) {
        let Self { s, layout, tiling: t, weight, transforms } = self;
        let frame =
            PaddedBackward { s, layout, image_len: t.image_len, images_per_call: t.images_per_call, want_dy: true };
        let block_len = Tiling::<OUT>::BLOCK_LEN;
        let lens = [self.input_blocks() * block_len, layout.channel_blocks * block_len, COLUMN_BLOCKS * block_len];
        let transformed_len =
            gradients.weight.as_ref().map_or(0, |_| transformed_len::<OUT>(s, self.is_single_chunk(images.len())));
        scratch::with([transformed_len], |[transformed]| {
            frame.run(pass, images.clone(), gradients, |PaddedImages { numbers, dy, dw, db, dx }| {
                scratch::with(lens, |[pixels, dm, dv]| {
                    let (scratch, dx) = (BackwardScratch { pixels, dm, dv }, weight.as_deref().zip(dx));
                    let (count, transforms) = (numbers.len(), *transforms);
                    let part = Part { is_first: numbers.start == images.start, is_last: numbers.end == images.end };
                    let dw = dw.map(|(images, gradient)| {
                        (images, part, WeightGradient { transformed: &mut *transformed, gradient })
                    });
                    dispatch(WinogradBackwardKernel { s, layout, t, count, dy, scratch, dw, db, dx, transforms });
                });
            });
        });
    }

    fn weight_gradient(&self, accumulated: &[f32]) -> Vec<f32> {
        weights::unpack_gradient(&self.s, accumulated)
    }
}

/// Adds the part of a few images to the gradients of weights and bias, and computes their padded dx.
struct WinogradBackwardKernel<'a, F, const OUT: usize, const IN: usize> {
    s: &'a ConvShape,
    layout: &'a PatchLayout,
    t: &'a Tiling<OUT>,
    /// The number of images.
    count: usize,
    /// The gradient of the output, for each image (block of channels, position, [`BLOCK_WIDTH`]).
    dy: &'a [f32],
    scratch: BackwardScratch<'a>,
    /// The images, which of the group's images they are, and the gradient of the weights, which is added to.
    dw: Option<(&'a [f32], Part, WeightGradient<'a>)>,
    /// Added to.
    db: &'a mut [f32],
    /// The transformed weights, and the padded gradient of the images, which is added to.
    dx: Option<(&'a [f32], &'a mut [f32])>,
    transforms: PhantomData<F>,
}

struct BackwardScratch<'a> {
    /// For the transformed pixels V of a chunk.
    pixels: &'a mut [f32],
    /// For the transformed gradient dM of a chunk's outputs.
    dm: &'a mut [f32],
    /// For the transformed gradient dV of a chunk's pixels, for [`COLUMN_BLOCKS`] blocks of channels.
    dv: &'a mut [f32],
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> Kernel for WinogradBackwardKernel<'_, F, OUT, IN> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, layout, t, count, dy, scratch, mut dw, db, mut dx, transforms: _ } = self;
        let BackwardScratch { pixels, dm, dv } = scratch;
        let block_len = Tiling::<OUT>::BLOCK_LEN;
        let chunks = t.chunks(count);
        let last = chunks.len() - 1;
        for (i, tiles) in chunks.enumerate() {
            for (block, (dm, db)) in dm.chunks_exact_mut(block_len).zip(db.chunks_mut(BLOCK_WIDTH)).enumerate() {
                transform_gradient::<S, F, V, OUT, IN>(simd, layout, tiles, block, dy, dm, db);
            }
            if let Some((images, part, dw)) = &mut dw {
                transform_pixels::<S, F, V, OUT, IN>(simd, s, tiles, Pixels::Padded(images), pixels);
                let part = Part { is_first: part.is_first && i == 0, is_last: part.is_last && i == last };
                dw.add::<S, F, V, OUT, IN>(simd, s, (tiles.len(), part), [&*pixels, &*dm]);
            }
            let Some((weight, ref mut dx)) = dx else { continue };
            let pairs = weight.chunks(COLUMN_BLOCKS * Tiling::<OUT>::TILE_LEN * s.out_channels * BLOCK_WIDTH);
            for (pair, weight) in pairs.enumerate() {
                multiply::<S, V, OUT>(simd, tiles.len(), dm, s.out_channels, weight, dv);
                let blocks = pair * COLUMN_BLOCKS..s.in_channels.div_ceil(BLOCK_WIDTH).min((pair + 1) * COLUMN_BLOCKS);
                for (block, dv) in blocks.zip(dv.chunks_exact(block_len)) {
                    add_pixels_gradient::<S, F, V, OUT, IN>(simd, s, layout.row_len, tiles, block, dv, dx);
                }
            }
        }
    }
}

/// Computes `dM = A dY Aᵀ` for a chunk of tiles and a block of output channels, and adds dY to `db`.
#[inline(always)]
fn transform_gradient<S: Simd, F: Transforms<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
    simd: S,
    layout: &PatchLayout,
    tiles: &[Tile<OUT>],
    block: usize,
    dy: &[f32],
    dm: &mut [f32],
    db: &mut [f32],
) {
    let (image_len, block_len) = (layout.blocked_len(), layout.blocked_len() / layout.channel_blocks);
    let zero = simd.splat_f32s(0.);
    let mut total: Row<S, V> = [zero; V];
    for (i, tile) in tiles.iter().enumerate() {
        let dy = vectors::<S, V>(&dy[tile.image * image_len + block * block_len..][..block_len]);
        let dm = tile_elements::<S, V, OUT>(dm, i);
        for v in 0..V {
            let mut square = [[zero; OUT]; OUT];
            for (values, positions) in square.iter_mut().zip(&tile.outputs) {
                for (value, position) in values.iter_mut().zip(positions) {
                    if let Some(position) = *position {
                        *value = dy[position][v];
                        total[v] = simd.add_f32s(total[v], dy[position][v]);
                    }
                }
            }
            transform_2d!(
                [OUT => IN],
                zero,
                |y, x| square[y][x],
                |line| F::outputs_adjoint(simd, line),
                |y, x, value| dm[(IN * y + x) * Tiling::<OUT>::STRIDE][v] = value
            );
        }
    }
    let mut sums = [0f32; BLOCK_WIDTH];
    vectors_mut::<S, V>(&mut sums)[0] = total;
    db.iter_mut().zip(sums).for_each(|(db, sum)| *db += sum);
}

/// Computes `dd = B dV Bᵀ` for a chunk of tiles and a block of input channels, and adds it to the padded `dx`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // `v` indexes the rows of several slices.
fn add_pixels_gradient<S: Simd, F: Transforms<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
    simd: S,
    s: &ConvShape,
    row_len: usize,
    tiles: &[Tile<OUT>],
    block: usize,
    dv: &[f32],
    dx: &mut [f32],
) {
    let pixel = s.in_channels;
    for (i, tile) in tiles.iter().enumerate() {
        let dv = vectors::<S, V>(&dv[i * BLOCK_WIDTH..]);
        let start = tile.start + block * BLOCK_WIDTH;
        for v in 0..V {
            transform_2d!(
                [IN => IN],
                simd.splat_f32s(0.),
                |y, x| dv[(IN * y + x) * Tiling::<OUT>::STRIDE][v],
                |line| F::pixels_adjoint(simd, line),
                |y, x, dd| {
                    let line = &mut dx[start + y * row_len..][..(IN - 1) * pixel + BLOCK_WIDTH];
                    let dx = &mut vectors_mut::<S, V>(&mut line[x * pixel..][..BLOCK_WIDTH])[0][v];
                    *dx = simd.add_f32s(*dx, dd);
                }
            );
        }
    }
}
