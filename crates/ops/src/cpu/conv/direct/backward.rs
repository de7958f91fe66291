//! `dW = patchesᵀ · dy` and `dpatches = dy · W`, a chunk of positions at a time. Images are padded and channels last; dy
//! has the order (block of channels, position, channel of the block), so that its rows are operands of the micro-kernel.

use std::ops::Range;

use pulp::Simd;

use super::pooled_gradient::{self, PooledGradientKernel};
use crate::cpu::{
    backward_pass::BackwardPass,
    conv::{
        algorithm::BackwardAlgorithm,
        input_weights::InputWeights,
        padded_backward::{PaddedBackward, PaddedImages},
        patch_layout::PatchLayout,
        shape::ConvShape,
        weight_order::WeightOrder,
    },
    epilogue::SavedEpilogue,
    image_groups::GroupGradients,
    micro_kernel::{BLOCK_ROWS, block_products},
    simd::{BLOCK_WIDTH, Kernel, add, dispatch_half, dispatch_width, row_width, vectors, vectors_mut},
};

/// The number of positions of a chunk, so that what the products read and write for them stays in the
/// first-level cache; a multiple of [`BLOCK_ROWS`].
pub(super) const POSITIONS_PER_CHUNK: usize = 40 * BLOCK_ROWS;

/// The backward pass.
pub struct DirectBackward {
    s: ConvShape,
    layout: PatchLayout,
    /// For the gradient of the input, with the weights in [`WeightOrder::PatchBlocks`].
    input: Option<InputWeights>,
}

impl DirectBackward {
    /// Takes weights (C_out, C_in, kh, kw) if the gradient of the input is wanted.
    pub fn new(s: &ConvShape, weight: Option<&[f32]>) -> Self {
        let layout = PatchLayout::with_half_block(s);
        let input = weight.map(|weight| InputWeights {
            weight: WeightOrder::PatchBlocks.pack(s, &layout, weight),
            channels: layout.blocked_channels(s),
        });
        Self { s: *s, layout, input }
    }
}

impl BackwardAlgorithm for DirectBackward {
    fn weight_gradient_len(&self) -> usize {
        WeightOrder::OutputBlocks.len(&self.s, &self.layout)
    }

    fn add_gradients(&self, pass: &BackwardPass, images: Range<usize>, gradients: GroupGradients) {
        let Self { s, layout, input } = self;
        let frame = PaddedBackward { s, layout, image_len: layout.image_len, images_per_call: 1, want_dy: true };
        let skips_zeros =
            input.is_none() && pass.want_dw && pass.norm.is_none() && pooled_gradient::supports(s, layout);
        if let (true, SavedEpilogue::Winners(winners)) = (skips_zeros, pass.saved) {
            let [len, winners_len] = [s.result_len(), s.blocked_result_len()];
            let frame = PaddedBackward { want_dy: false, ..frame };
            return frame.run(pass, images, gradients, |PaddedImages { numbers, dw, db, .. }| {
                let (image, dw) = dw.expect("the gradient of the weights is wanted");
                let dy = &pass.dy[numbers.start * len..][..len];
                let winners = &winners[numbers.start * winners_len..][..winners_len];
                dispatch_half(PooledGradientKernel { s, layout, dy, winners, image, dw, db });
            });
        }
        frame.run(pass, images, gradients, |PaddedImages { dy, dw, db, dx, .. }| {
            let dx = input.as_ref().zip(dx);
            dispatch_width(layout.block_width, DirectBackwardKernel { s, layout, dy, dw, db, dx });
        });
    }

    fn weight_gradient(&self, accumulated: &[f32]) -> Vec<f32> {
        WeightOrder::OutputBlocks.unpack(&self.s, &self.layout, accumulated)
    }
}

/// Adds one image's part to the gradients of weights and bias, and computes its padded dx.
pub struct DirectBackwardKernel<'a> {
    pub s: &'a ConvShape,
    pub layout: &'a PatchLayout,
    /// The gradient of the output: (block of channels, position, channel of the block), zero where there is no channel.
    pub dy: &'a [f32],
    /// The image, and the weight gradient in [`WeightOrder::OutputBlocks`], which is added to.
    pub dw: Option<(&'a [f32], &'a mut [f32])>,
    /// Added to.
    pub db: &'a mut [f32],
    /// The weights, in [`WeightOrder::PatchBlocks`], and the padded gradient of the image, which is added to.
    pub dx: Option<(&'a InputWeights, &'a mut [f32])>,
}

impl Kernel for DirectBackwardKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let (positions, blocks) = (self.layout.positions.len(), self.layout.channel_blocks);
        let patch_blocks = self.s.window.kernel[0] * self.layout.kernel_row_len / row_width::<S, V>();
        // Where two blocks at once pay: on AVX-512.
        let two = S::F32_LANES == BLOCK_WIDTH;
        let two_patch_blocks = two && neighbours_are_disjoint(self.s);
        for start in (0..positions).step_by(POSITIONS_PER_CHUNK) {
            let chunk = start..(start + POSITIONS_PER_CHUNK).min(positions);
            self.add_bias::<S, V>(simd, &chunk);
            let mut block = 0;
            while self.dw.is_some() && block < blocks {
                block += match blocks - block {
                    2.. if two => self.add_weights::<S, V, 2>(simd, block, &chunk),
                    _ => self.add_weights::<S, V, 1>(simd, block, &chunk),
                };
            }
            let mut block = 0;
            while self.dx.is_some() && block < patch_blocks {
                block += match patch_blocks - block {
                    2.. if two_patch_blocks => self.add_patches::<S, V, 2>(simd, block, &chunk),
                    _ => self.add_patches::<S, V, 1>(simd, block, &chunk),
                };
            }
        }
    }
}

/// Returns whether two neighbouring blocks of a patch lie in different places of the image, whatever the positions of their
/// patches. Otherwise the order of their additions to the same place would depend on whether they are computed together.
fn neighbours_are_disjoint(s: &ConvShape) -> bool {
    let in_other_pixels = s.window.stride.iter().all(|&stride| stride >= 2);
    s.in_channels.is_multiple_of(BLOCK_WIDTH) && (s.in_channels > BLOCK_WIDTH || in_other_pixels)
}

impl<'a> DirectBackwardKernel<'a> {
    /// Returns the gradient of the output at some positions for the block of channels with this number.
    #[inline(always)]
    fn dy_block(&self, block: usize, chunk: &Range<usize>, width: usize) -> &'a [f32] {
        &self.dy[(block * self.layout.patch_starts.len() + chunk.start) * width..][..chunk.len() * width]
    }

    /// Adds the sums over some positions to the gradient of the bias.
    #[inline(always)]
    fn add_bias<S: Simd, const V: usize>(&mut self, simd: S, chunk: &Range<usize>) {
        let width = row_width::<S, V>();
        for block in 0..self.layout.channel_blocks {
            let mut sums = [0f32; BLOCK_WIDTH];
            let sum = &mut vectors_mut::<S, V>(&mut sums)[0];
            for row in vectors::<S, V>(self.dy_block(block, chunk, width)) {
                *sum = add::<S, V>(simd, *sum, *row);
            }
            self.db[block * width..].iter_mut().zip(&sums[..width]).for_each(|(db, sum)| *db += sum);
        }
    }

    /// Adds the products of some positions to `B` blocks of the gradient of the weights, and returns `B`.
    #[inline(always)]
    fn add_weights<S: Simd, const V: usize, const B: usize>(
        &mut self,
        simd: S,
        block: usize,
        chunk: &Range<usize>,
    ) -> usize {
        let (layout, width) = (self.layout, row_width::<S, V>());
        let mut dy: [&[f32]; B] = [&[]; B];
        for (b, dy) in dy.iter_mut().enumerate() {
            *dy = self.dy_block(block + b, chunk, width);
        }
        let Some((image, dw)) = &mut self.dw else { return B };
        let dw_len = dw.len() / layout.channel_blocks;
        for (group, taps) in layout.tap_rows.as_chunks().0.iter().enumerate() {
            let positions = layout.positions.range(chunk.clone());
            let products = block_products::<S, V, B, 2, BLOCK_ROWS>(simd, image, taps, positions, dy);
            for (dw, product) in dw[block * dw_len..].chunks_exact_mut(dw_len).zip(products) {
                let dw = &mut vectors_mut::<S, V>(dw).as_chunks_mut::<BLOCK_ROWS>().0[group];
                for (dw, row) in dw.iter_mut().zip(product) {
                    *dw = add::<S, V>(simd, *dw, row);
                }
            }
        }
        B
    }

    /// Adds the products for `B` blocks of the patches at some positions to the gradient of the image, and returns `B`.
    #[inline(always)]
    fn add_patches<S: Simd, const V: usize, const B: usize>(
        &mut self,
        simd: S,
        block: usize,
        chunk: &Range<usize>,
    ) -> usize {
        let Self { s, layout, dy, dx, .. } = self;
        let Some((InputWeights { weight, channels }, dx)) = dx else { return B };
        let width = row_width::<S, V>();
        let (mut weights, mut offsets): ([&[f32]; B], _) = ([&[]; B], [0; B]);
        for (b, (weights, offset)) in weights.iter_mut().zip(&mut offsets).enumerate() {
            *weights = &weight[(block + b) * s.out_channels * width..][..s.out_channels * width];
            let i = (block + b) * width;
            *offset = i / layout.kernel_row_len * layout.row_len + i % layout.kernel_row_len;
        }
        for first in chunk.clone().step_by(BLOCK_ROWS) {
            let rows = std::array::from_fn(|r| (first + r) * width);
            let products = block_products::<S, V, B, 2, BLOCK_ROWS>(simd, dy, &rows, channels.all(), weights);
            for (offset, product) in offsets.iter().zip(products) {
                for (start, row) in layout.patch_starts[first..chunk.end].iter().zip(product) {
                    let dx = &mut vectors_mut::<S, V>(&mut dx[start + offset..][..width])[0];
                    *dx = add::<S, V>(simd, *dx, row);
                }
            }
        }
        B
    }
}
