use super::{patch_layout::PatchLayout, shape::ConvShape};
use crate::cpu::{micro_kernel::BLOCK_ROWS, parallel};

/// About the number of operations that finding the place of a weight takes.
const FLOPS_PER_WEIGHT: usize = 8;

/// An order of the weights in which kernels read them or accumulate their gradient. Unused places are zero.
#[derive(Debug, Clone, Copy)]
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
        let mut packed = vec![0f32; self.len(s, layout)];
        for (output, weight) in weight.chunks_exact(s.patch_len()).enumerate() {
            let mut weight = weight.iter();
            self.for_each(s, layout, output, |place| packed[place] = *weight.next().expect("one value for each place"));
        }
        packed
    }

    /// Unpacks to (C_out, C_in, kh, kw).
    pub fn unpack(self, s: &ConvShape, layout: &PatchLayout, packed: &[f32]) -> Vec<f32> {
        let (len, operations) = (s.patch_len(), FLOPS_PER_WEIGHT * s.out_channels * s.patch_len());
        parallel::filled(s.out_channels * len, len, operations, |output, weight| {
            let mut weight = weight.zeroed().iter_mut();
            self.for_each(s, layout, output, |place| {
                *weight.next().expect("one value for each place") = packed[place];
            });
        })
    }

    /// Visits the weights of an output channel in the order (C_in, kh, kw) with the place of each in this order.
    fn for_each(self, s: &ConvShape, layout: &PatchLayout, output: usize, mut visit: impl FnMut(usize)) {
        let [kh, kw] = s.window.kernel;
        let (row, patch) = (kw * s.in_channels, s.patch_len().next_multiple_of(BLOCK_ROWS));
        let width = layout.block_width;
        for input in 0..s.in_channels {
            for ky in 0..kh {
                for kx in 0..kw {
                    let i = kx * s.in_channels + input;
                    visit(match self {
                        WeightOrder::OutputBlocks => (output / width * patch + ky * row + i) * width + output % width,
                        WeightOrder::PatchBlocks => {
                            let block = (ky * layout.kernel_row_len + i) / width;
                            (block * s.out_channels + output) * width + i % width
                        }
                        WeightOrder::PatchRows => (output * kh + ky) * layout.kernel_row_len + i,
                    });
                }
            }
        }
    }
}
