use std::ops::Range;

use super::{patch_layout::PatchLayout, shape::ConvShape};
use crate::cpu::{
    micro_kernel::BLOCK_ROWS,
    scratch,
    transpose::{transpose_matrix, transpose_rows},
};

/// An order of the weights in which kernels read them or accumulate their gradient. Unused places are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightOrder {
    /// (block of C_out, patch, output channel of the block), with the patch, (ky, kx, C_in), rounded up to a multiple of
    /// [`BLOCK_ROWS`]: the right matrix of the forward product, and the gradient of the weights.
    OutputBlocks,
    /// (block of the patch, C_out, value of the block), with each kernel row of the patch rounded up to a multiple of
    /// [`BLOCK_WIDTH`](crate::cpu::simd::BLOCK_WIDTH): the right matrix of the product for the gradient of the input.
    PatchBlocks,
    /// (C_out, patch), with each kernel row of the patch rounded up to a multiple of [`BLOCK_WIDTH`](crate::cpu::simd::BLOCK_WIDTH): what the sparse
    /// products read and accumulate.
    PatchRows,
}

impl WeightOrder {
    /// Returns the number of values in this order, including unused ones.
    pub fn len(self, s: &ConvShape, layout: &PatchLayout) -> usize {
        match self {
            WeightOrder::OutputBlocks => {
                layout.channel_blocks * layout.block_width * s.patch_len().next_multiple_of(BLOCK_ROWS)
            }
            WeightOrder::PatchBlocks | WeightOrder::PatchRows => {
                s.out_channels * s.window.kernel[0] * layout.kernel_row_len
            }
        }
    }

    /// Packs weights (C_out, C_in, kh, kw) in this order.
    pub fn pack(self, s: &ConvShape, layout: &PatchLayout, weight: &[f32]) -> Vec<f32> {
        let (len, width, mut packed) = (s.patch_len(), layout.block_width, vec![0f32; self.len(s, layout)]);
        scratch::with([weight.len()], |[patches]| {
            for (patch, weight) in patches.chunks_exact_mut(len).zip(weight.chunks_exact(len)) {
                transpose_matrix(weight, patch, [s.in_channels, len / s.in_channels]);
            }
            if self == WeightOrder::OutputBlocks {
                let blocks = packed.chunks_exact_mut(len.next_multiple_of(BLOCK_ROWS) * width);
                for (block, patches) in blocks.zip(patches.chunks(width * len)) {
                    transpose_rows(patches, len, block, width, [patches.len() / len, len]);
                }
            } else {
                for (of_patches, of_packed) in self.pieces(s, layout) {
                    packed[of_packed..][..of_patches.len()].copy_from_slice(&patches[of_patches]);
                }
            }
        });
        packed
    }

    /// Unpacks to (C_out, C_in, kh, kw).
    pub fn unpack(self, s: &ConvShape, layout: &PatchLayout, packed: &[f32]) -> Vec<f32> {
        let (len, width, mut weight) = (s.patch_len(), layout.block_width, vec![0f32; s.out_channels * s.patch_len()]);
        scratch::with([weight.len()], |[patches]| {
            if self == WeightOrder::OutputBlocks {
                let blocks = packed.chunks_exact(len.next_multiple_of(BLOCK_ROWS) * width);
                for (block, patches) in blocks.zip(patches.chunks_mut(width * len)) {
                    transpose_rows(block, width, patches, len, [len, patches.len() / len]);
                }
            } else {
                for (of_patches, of_packed) in self.pieces(s, layout) {
                    let piece = &packed[of_packed..][..of_patches.len()];
                    patches[of_patches].copy_from_slice(piece);
                }
            }
            for (patch, weight) in patches.chunks_exact(len).zip(weight.chunks_exact_mut(len)) {
                transpose_matrix(patch, weight, [len / s.in_channels, s.in_channels]);
            }
        });
        weight
    }

    /// Returns where neighbouring values of patches, (C_out, ky, kx, C_in), are, and where they start in an order that keeps them
    /// together.
    fn pieces(self, s: &ConvShape, layout: &PatchLayout) -> impl Iterator<Item = (Range<usize>, usize)> {
        let (rows, row, padded) = (s.window.kernel[0], s.window.kernel[1] * s.in_channels, layout.kernel_row_len);
        let (outputs, width, in_blocks) = (s.out_channels, layout.block_width, self == WeightOrder::PatchBlocks);
        let piece_len = if in_blocks { width } else { row };
        let of_rows = (0..outputs).flat_map(move |output| (0..rows).map(move |ky| (output, ky)));
        of_rows.flat_map(move |(output, ky)| {
            (0..row).step_by(piece_len).map(move |first| {
                let start = (output * rows + ky) * row + first;
                let in_block = ((ky * padded + first) / width * outputs + output) * width;
                let place = if in_blocks { in_block } else { (output * rows + ky) * padded };
                (start..start + piece_len.min(row - first), place)
            })
        })
    }
}
