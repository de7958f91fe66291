//! `y = patches · Wᵀ`, a chunk of positions and a block of output channels at a time. Images are padded and channels
//! last, weights in [`WeightOrder::OutputBlocks`].

use std::ops::Range;

use pulp::Simd;

use super::pooled_rows::{self, PooledRowsKernel};
use crate::cpu::{
    conv::{
        algorithm::ForwardAlgorithm,
        output::OutputImage,
        patch_layout::PatchLayout,
        results::{ChannelVector, Results, shift},
        shape::ConvShape,
        weight_order::WeightOrder,
    },
    conv_input::ConvInput,
    isa,
    map_order::MapOrder,
    micro_kernel::{BLOCK_ROWS, block_products},
    scratch,
    simd::{Kernel, dispatch, dispatch_width, row_width, vectors_mut},
};

/// The number of positions of a register block of two blocks of channels: those of two pooling windows. With two vectors for each
/// they fill 16 of the 32 registers of AVX-512.
const PAIR_ROWS: usize = 8;

/// The number of positions whose output is computed before it is written, so that it is still in the first-level cache;
/// a multiple of [`BLOCK_ROWS`], of [`PAIR_ROWS`] and of the four positions of a pooling window.
const POSITIONS_PER_CHUNK: usize = 16 * BLOCK_ROWS;

/// The least number of positions in a band of rows.
const POSITIONS_PER_BAND: usize = 4 * BLOCK_ROWS;

/// The forward pass.
pub struct DirectForward {
    s: ConvShape,
    layout: PatchLayout,
    /// In [`WeightOrder::OutputBlocks`].
    weight: Vec<f32>,
}

impl DirectForward {
    /// Takes weights (C_out, C_in, kh, kw).
    pub fn new(s: &ConvShape, weight: &[f32]) -> Self {
        let layout = PatchLayout::with_half_block(s);
        let weight = WeightOrder::OutputBlocks.pack(s, &layout, weight);
        Self { s: *s, layout, weight }
    }
}

impl ForwardAlgorithm for DirectForward {
    fn has_orders(&self) -> bool {
        true
    }

    fn set_orders(&mut self, [input_order, result_order]: [MapOrder; 2]) {
        self.s = ConvShape { input_order, result_order, ..self.s };
    }

    fn forward(&self, x: ConvInput, bias: Option<&[f32]>, y: &mut [f32], winners: Option<&mut [u8]>) {
        self.compute(x, bias, 0..self.s.result()[0], y, winners);
    }

    fn rows_per_band(&self) -> Option<usize> {
        Some(POSITIONS_PER_BAND.div_ceil(self.s.positions(0..1).len()))
    }

    fn forward_rows(&self, x: ConvInput, bias: Option<&[f32]>, rows: Range<usize>, y: &mut [f32]) {
        self.compute(x, bias, rows, y, None);
    }
}

impl DirectForward {
    /// Computes these rows of the result of one image.
    fn compute(
        &self,
        x: ConvInput,
        bias: Option<&[f32]>,
        rows: Range<usize>,
        y: &mut [f32],
        winners: Option<&mut [u8]>,
    ) {
        let Self { s, layout, weight } = self;
        let result = OutputImage { y, first_result: rows.start * s.result()[1], winners };
        let (output, stride) = (s.output_rows(rows.clone()), s.window.stride[0]);
        let padded = output.start * stride..output.end * stride + s.window.kernel[0];
        let stored = x.stored().filter(|_| layout.is_in_place(s));
        let in_rows = stored.is_none() && isa::has_block_vectors() && pooled_rows::supports(s);
        let behind = if in_rows { pooled_rows::BEHIND } else { 0 };
        let image_len = if stored.is_some() { 0 } else { layout.image_len + behind };
        scratch::with([image_len, 2 * POSITIONS_PER_CHUNK * layout.block_width], |[image, output]| {
            if stored.is_none() {
                s.padded_input().pad(padded, x, s.input_order, image);
            }
            let image = stored.unwrap_or(image);
            if in_rows {
                let (row_len, taps) = (layout.row_len, &layout.tap_rows[..s.patch_len()]);
                return dispatch(PooledRowsKernel { s, rows, image, row_len, taps, weight, bias, result });
            }
            let positions = s.positions(rows);
            let kernel = DirectForwardKernel { s, layout, positions, image, weight, bias, output, result };
            dispatch_width(layout.block_width, kernel);
        });
    }
}

/// Computes the results of one image at some positions.
struct DirectForwardKernel<'a> {
    s: &'a ConvShape,
    layout: &'a PatchLayout,
    /// The numbers of the positions to compute, which are indices of [`PatchLayout::patch_starts`].
    positions: Range<usize>,
    /// Padded, channels last.
    image: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    /// Scratch for two blocks of channels of [`POSITIONS_PER_CHUNK`] positions.
    output: &'a mut [f32],
    result: OutputImage<'a>,
}

impl Kernel for DirectForwardKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let blocks = self.layout.channel_blocks;
        let mut block = 0;
        while block < blocks {
            let pools_pixels = self.s.is_pooled() && self.s.result_order == MapOrder::Pixels;
            block += match (V, blocks - block) {
                (1, 2..) if pools_pixels && self.result.winners.is_some() => {
                    self.write_pooled_blocks::<S, V, true>(simd, block)
                }
                (1, 2..) if pools_pixels => self.write_pooled_blocks::<S, V, false>(simd, block),
                // On AVX-512; elsewhere only half a block is one vector. A pointwise convolution has to give the bits that
                // `Conv1x1Forward` gives on planes, one block at a time.
                (1, 2..) if !self.s.is_pointwise() => self.write_blocks::<S, V, 2, 1, PAIR_ROWS>(simd, block),
                _ => self.write_blocks::<S, V, 1, 2, BLOCK_ROWS>(simd, block),
            };
        }
    }
}

impl DirectForwardKernel<'_> {
    /// Computes and writes the results of `B` blocks of channels, `R` positions at a time and each from `SUMS` partial sums, and
    /// returns `B`.
    #[inline(always)]
    fn write_blocks<S: Simd, const V: usize, const B: usize, const SUMS: usize, const R: usize>(
        &mut self,
        simd: S,
        block: usize,
    ) -> usize {
        let Self { s, layout, positions, image, weight, bias, output, result } = self;
        let (weight_len, width) = (weight.len() / layout.channel_blocks, row_width::<S, V>());
        let weight: [&[f32]; B] = std::array::from_fn(|b| &weight[(block + b) * weight_len..][..s.patch_len() * width]);
        for first in positions.clone().step_by(POSITIONS_PER_CHUNK) {
            let starts = &layout.patch_starts[first..(first + POSITIONS_PER_CHUNK).min(positions.end)];
            let block_len = starts.len().next_multiple_of(R) * width;
            let output = &mut output[..B * block_len];
            for group in 0..starts.len().div_ceil(R) {
                // The last position is repeated to fill the block.
                let mut rows = [0; R];
                for (i, row) in rows.iter_mut().enumerate() {
                    *row = starts[(group * R + i).min(starts.len() - 1)];
                }
                let products = block_products::<S, V, B, SUMS, R>(simd, image, &rows, layout.taps.all(), weight);
                for (output, product) in output.chunks_exact_mut(block_len).zip(products) {
                    vectors_mut::<S, V>(output).as_chunks_mut().0[group] = product;
                }
            }
            for (b, output) in output.chunks_exact_mut(block_len).enumerate() {
                let output = &mut output[..starts.len() * width];
                result.write::<S, V>(simd, s, block + b, *bias, first, output);
            }
        }
        B
    }

    /// Computes and writes the results of two blocks of channels, which stay in registers until they are pooled, and returns 2.
    /// `WINNERS` tells whether there are places for winners.
    #[inline(always)]
    fn write_pooled_blocks<S: Simd, const V: usize, const WINNERS: bool>(&mut self, simd: S, block: usize) -> usize {
        let Self { s, layout, positions, image, weight, bias, result, .. } = self;
        let (weight_len, len) = (weight.len() / layout.channel_blocks, s.patch_len() * row_width::<S, V>());
        let weight = [&weight[block * weight_len..][..len], &weight[(block + 1) * weight_len..][..len]];
        let shifts = [shift::<S, V>(*bias, block), shift::<S, V>(*bias, block + 1)];
        let mut results = Results::new(s, result.y, 1, result.first_result, result.winners.as_deref_mut());
        for first in positions.clone().step_by(PAIR_ROWS) {
            let starts = &layout.patch_starts[first..(first + PAIR_ROWS).min(positions.end)];
            // The last position is repeated to fill the block.
            let rows: [usize; PAIR_ROWS] = std::array::from_fn(|i| starts[i.min(starts.len() - 1)]);
            let products = block_products::<S, V, 2, 1, PAIR_ROWS>(simd, image, &rows, layout.taps.all(), weight);
            for (b, (product, shift)) in products.iter().zip(shifts).enumerate() {
                for (window, four) in (first / 4..positions.end / 4).zip(product.as_chunks::<4>().0) {
                    for v in 0..V {
                        let at = ChannelVector { image: 0, block: block + b, channel: v * S::F32_LANES };
                        let outputs = [four[0][v], four[1][v], four[2][v], four[3][v]];
                        results.write_pooled::<S, WINNERS>(simd, at, window, shift[v], outputs);
                    }
                }
            }
        }
        2
    }
}
