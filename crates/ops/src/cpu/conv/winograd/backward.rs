//! The exact adjoint of the forward pass with F(2×2, 3×3), for a chunk of tiles at a time: `dM = A dY Aᵀ`, `dU = Σ V · dM`,
//! `dV = Σ dM · U` and `dd = B dV Bᵀ`. Images and their gradients are padded and channels last.

use std::ops::Range;

use pulp::Simd;

use super::{
    stages::{multiply, transform_pixels},
    tiling::{Tile, Tiling},
    transforms::{F2, transform_2d},
    weights,
};
use crate::cpu::{
    backward_pass::BackwardPass,
    conv::{
        algorithm::BackwardAlgorithm,
        input_weights::InputWeights,
        padded_backward::{PaddedBackward, PaddedImages},
        patch_layout::PatchLayout,
        shape::ConvShape,
    },
    image_groups::GroupGradients,
    micro_kernel::{BLOCK_ROWS, Offsets, block_product},
    scratch,
    simd::{BLOCK_WIDTH, Kernel, Row, dispatch, vectors, vectors_mut},
};

const CHUNK: usize = Tiling::<2>::CHUNK;
const TILE_LEN: usize = Tiling::<2>::TILE_LEN;
const BLOCK_LEN: usize = Tiling::<2>::BLOCK_LEN;

/// The backward pass of F(2×2, 3×3).
pub struct WinogradBackward {
    s: ConvShape,
    layout: PatchLayout,
    tiling: Tiling<2>,
    /// For the gradient of the input, with the weights as packed by [`weights::pack_for_input_gradient`].
    input: Option<InputWeights>,
}

impl WinogradBackward {
    /// Takes weights (C_out, C_in, 3, 3) if the gradient of the input is wanted.
    pub fn new(s: &ConvShape, weight: Option<&[f32]>) -> Self {
        let layout = PatchLayout::channels_last(s);
        let tiling = Tiling::new(s, &layout);
        let input = weight.map(|weight| InputWeights {
            weight: weights::pack_for_input_gradient(&tiling, s, weight),
            channels: Offsets::new(
                (0..s.out_channels).map(|c| c / BLOCK_WIDTH * BLOCK_LEN + c % BLOCK_WIDTH).collect(),
            ),
        });
        Self { s: *s, layout, tiling, input }
    }
}

impl BackwardAlgorithm for WinogradBackward {
    fn weight_gradient_len(&self) -> usize {
        self.tiling.weights_len(&self.layout)
    }

    fn add_gradients(&self, pass: &BackwardPass, images: Range<usize>, gradients: GroupGradients) {
        let Self { s, layout, tiling: t, input } = self;
        let (image_len, images_per_call) = (t.image_len, t.images_per_call);
        let frame = PaddedBackward { s, layout, image_len, images_per_call, want_dy: true };
        frame.run(pass, images, gradients, |PaddedImages { numbers, dy, dw, db, dx }| {
            scratch::with([t.pixels_len(), layout.channel_blocks * BLOCK_LEN, BLOCK_LEN], |[pixels, dm, dv]| {
                let (scratch, dx) = (BackwardScratch { pixels, dm, dv }, input.as_ref().zip(dx));
                let count = numbers.len();
                dispatch(WinogradBackwardKernel { s, layout, t, count, dy, scratch, dw, db, dx });
            });
        });
    }

    fn weight_gradient(&self, accumulated: &[f32]) -> Vec<f32> {
        weights::gradient(&self.tiling, &self.s, accumulated)
    }
}

/// Adds the part of a few images to the gradients of weights and bias, and computes their padded dx.
struct WinogradBackwardKernel<'a> {
    s: &'a ConvShape,
    layout: &'a PatchLayout,
    t: &'a Tiling<2>,
    /// The number of images.
    count: usize,
    /// The gradient of the output, for each image (block of channels, position, [`BLOCK_WIDTH`]).
    dy: &'a [f32],
    scratch: BackwardScratch<'a>,
    /// The images, and the gradient of the transformed weights in the order of [`weights::pack`], which is added to.
    dw: Option<(&'a [f32], &'a mut [f32])>,
    /// Added to.
    db: &'a mut [f32],
    /// The transformed weights, and the padded gradient of the images, which is added to.
    dx: Option<(&'a InputWeights, &'a mut [f32])>,
}

struct BackwardScratch<'a> {
    /// For the transformed pixels V of a chunk.
    pixels: &'a mut [f32],
    /// For the transformed gradient dM of a chunk's outputs, block of channels by block.
    dm: &'a mut [f32],
    /// For the transformed gradient dV of a chunk's pixels, for one block of channels.
    dv: &'a mut [f32],
}

impl Kernel for WinogradBackwardKernel<'_> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // `v` indexes the rows of several slices.
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, layout, t, count, dy, scratch, mut dw, db, mut dx } = self;
        let BackwardScratch { pixels, dm, dv } = scratch;
        let pixel = s.in_channels;
        for tiles in t.chunks(count) {
            if let Some((images, _)) = dw {
                transform_pixels::<S, F2, V, 2, 4>(simd, t, s, layout.row_len, tiles, images, pixels);
            }
            let offsets = t.tile_offsets.range(0..tiles.len());
            for (block, dm) in dm.chunks_exact_mut(BLOCK_LEN).enumerate() {
                let db = &mut db[block * BLOCK_WIDTH..];
                transform_gradient::<S, V>(simd, layout, tiles, block, dy, dm, db);
                let Some((_, dw)) = &mut dw else { continue };
                let dw_block = dw.len() / layout.channel_blocks;
                let dw = &mut dw[block * dw_block..][..dw_block];
                let elements = dw.chunks_exact_mut(dw.len() / TILE_LEN).zip(dm.chunks_exact(CHUNK * BLOCK_WIDTH));
                for (element, (dw, dm)) in elements.enumerate() {
                    let dm = &dm[..tiles.len() * BLOCK_WIDTH];
                    let dw = vectors_mut::<S, V>(dw).as_chunks_mut::<BLOCK_ROWS>().0;
                    for (dw, channels) in dw.iter_mut().zip(t.channel_rows.as_chunks::<BLOCK_ROWS>().0) {
                        let mut rows = *channels;
                        rows.iter_mut().for_each(|c| *c += element * CHUNK * t.padded_channels);
                        let block = block_product::<S, V>(simd, pixels, &rows, offsets, dm);
                        for (dw, row) in dw.iter_mut().zip(block) {
                            for v in 0..V {
                                dw[v] = simd.add_f32s(dw[v], row[v]);
                            }
                        }
                    }
                }
            }
            let Some((InputWeights { weight, channels }, ref mut dx)) = dx else { continue };
            for (block, weight) in weight.chunks_exact(TILE_LEN * s.out_channels * BLOCK_WIDTH).enumerate() {
                multiply::<S, V, 2>(simd, tiles.len(), dm, BLOCK_WIDTH, channels.all(), weight, dv);
                for (i, tile) in tiles.iter().enumerate() {
                    let dv = vectors::<S, V>(&dv[i * BLOCK_WIDTH..]);
                    for v in 0..V {
                        transform_2d!(
                            [4 => 4],
                            simd.splat_f32s(0.),
                            |y, x| dv[(4 * y + x) * CHUNK][v],
                            |[a, b, c, d]| {
                                let (inner, third) = (simd.sub_f32s(b, c), simd.sub_f32s(simd.add_f32s(b, c), a));
                                [a, simd.add_f32s(inner, d), third, simd.neg_f32s(d)]
                            },
                            |y, x, dd| {
                                let start = tile.start + y * layout.row_len + block * BLOCK_WIDTH;
                                let line = &mut dx[start..][..3 * pixel + BLOCK_WIDTH];
                                let dx = &mut vectors_mut::<S, V>(&mut line[x * pixel..][..BLOCK_WIDTH])[0][v];
                                *dx = simd.add_f32s(*dx, dd);
                            }
                        );
                    }
                }
            }
        }
    }
}

/// Computes `dM = A dY Aᵀ` for a chunk of tiles and a block of output channels, and adds dY to `db`.
#[inline(always)]
fn transform_gradient<S: Simd, const V: usize>(
    simd: S,
    layout: &PatchLayout,
    tiles: &[Tile<2>],
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
        let dm = vectors_mut::<S, V>(&mut dm[i * BLOCK_WIDTH..]);
        for v in 0..V {
            let mut square = [[zero; 2]; 2];
            for (corner, position) in tile.outputs.as_flattened().iter().enumerate() {
                if let Some(position) = *position {
                    square[corner / 2][corner % 2] = dy[position][v];
                    total[v] = simd.add_f32s(total[v], dy[position][v]);
                }
            }
            transform_2d!(
                [2 => 4],
                zero,
                |y, x| square[y][x],
                |[a, b]| [a, simd.add_f32s(a, b), simd.sub_f32s(a, b), simd.neg_f32s(b)],
                |y, x, value| dm[(4 * y + x) * CHUNK][v] = value
            );
        }
    }
    let mut sums = [0f32; BLOCK_WIDTH];
    vectors_mut::<S, V>(&mut sums)[0] = total;
    db.iter_mut().zip(sums).for_each(|(db, sum)| *db += sum);
}
