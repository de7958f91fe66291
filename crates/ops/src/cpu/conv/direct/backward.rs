//! `dW = patchesᵀ · dy` and `dpatches = dy · W`, a chunk of positions at a time. Images are padded and channels last; dy
//! has the order (block of channels, position, channel of the block), so that its rows are operands of the micro-kernel.

use std::ops::Range;

use pulp::Simd;

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
    image_groups::GroupGradients,
    micro_kernel::{BLOCK_ROWS, block_product},
    simd::{BLOCK_WIDTH, Kernel, add, dispatch_width, row_width, vectors, vectors_mut},
};

/// The number of positions of a chunk, so that what the products read and write for them stays in the
/// first-level cache; a multiple of [`BLOCK_ROWS`].
const POSITIONS_PER_CHUNK: usize = 40 * BLOCK_ROWS;

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
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, layout, dy, mut dw, db, mut dx } = self;
        let (padded_positions, positions) = (layout.patch_starts.len(), layout.positions.len());
        let width = row_width::<S, V>();
        for start in (0..positions).step_by(POSITIONS_PER_CHUNK) {
            let chunk = start..(start + POSITIONS_PER_CHUNK).min(positions);
            let blocks = dy.chunks_exact(padded_positions * width).zip(db.chunks_mut(width));
            for (block, (dy, db)) in blocks.enumerate() {
                let dy = &dy[start * width..chunk.end * width];
                if let Some((image, dw)) = &mut dw {
                    let dw_block = dw.len() / layout.channel_blocks;
                    let dw = &mut dw[block * dw_block..][..dw_block];
                    let dw = vectors_mut::<S, V>(dw).as_chunks_mut::<BLOCK_ROWS>().0;
                    for (dw, taps) in dw.iter_mut().zip(layout.tap_rows.as_chunks().0) {
                        let block = block_product::<S, V>(simd, image, taps, layout.positions.range(chunk.clone()), dy);
                        for (dw, row) in dw.iter_mut().zip(block) {
                            *dw = add::<S, V>(simd, *dw, row);
                        }
                    }
                }
                let mut sums = [0f32; BLOCK_WIDTH];
                let sum = &mut vectors_mut::<S, V>(&mut sums)[0];
                for row in vectors::<S, V>(dy) {
                    *sum = add::<S, V>(simd, *sum, *row);
                }
                db.iter_mut().zip(sums).for_each(|(db, sum)| *db += sum);
            }
            let Some((InputWeights { weight, channels }, ref mut dx)) = dx else { continue };
            for (block, weight) in weight.chunks_exact(s.out_channels * width).enumerate() {
                let i = block * width;
                let offset = i / layout.kernel_row_len * layout.row_len + i % layout.kernel_row_len;
                for first in chunk.clone().step_by(BLOCK_ROWS) {
                    let rows = std::array::from_fn(|r| (first + r) * width);
                    let block = block_product::<S, V>(simd, dy, &rows, channels.all(), weight);
                    for (start, row) in layout.patch_starts[first..chunk.end].iter().zip(block) {
                        let dx = &mut vectors_mut::<S, V>(&mut dx[start + offset..][..width])[0];
                        *dx = add::<S, V>(simd, *dx, row);
                    }
                }
            }
        }
    }
}
