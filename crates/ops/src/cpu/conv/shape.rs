use std::ops::Range;

use crate::{
    cpu::{epilogue::Epilogue, map_order::MapOrder, padded_map::PaddedMap, simd::BLOCK_WIDTH},
    window::Window,
};

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct ConvShape {
    pub batch: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the convolution's output, before any pooling.
    pub output: [usize; 2],
    pub window: Window,
    pub epilogue: Epilogue,
    /// The order of an input image and of its gradient.
    pub input_order: MapOrder,
    /// The order of an image's result and of its gradient.
    pub result_order: MapOrder,
}

impl ConvShape {
    /// Returns the height and width of the result, after any pooling.
    pub fn result(&self) -> [usize; 2] {
        self.epilogue.result(self.output)
    }

    /// Returns the number of values of one image's result.
    pub fn result_len(&self) -> usize {
        self.out_channels * self.result().iter().product::<usize>()
    }

    /// Returns the number of values of one image's result in blocks of [`BLOCK_WIDTH`] channels, of which the last may
    /// be incomplete.
    pub fn blocked_result_len(&self) -> usize {
        self.out_channels.next_multiple_of(BLOCK_WIDTH) * self.result().iter().product::<usize>()
    }

    /// Returns the number of values of one input image.
    pub fn input_len(&self) -> usize {
        self.in_channels * self.input[0] * self.input[1]
    }

    /// Returns the layout of a padded input image.
    pub fn padded_input(&self) -> PaddedMap {
        PaddedMap::new(self.in_channels, self.input, self.window.padding)
    }

    /// Returns the number of positions of the convolution's output, before any pooling.
    pub fn output_plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Returns the number of values of a patch, C_in·kh·kw: the length of the dot product for one output value.
    pub fn patch_len(&self) -> usize {
        self.in_channels * self.window.kernel[0] * self.window.kernel[1]
    }

    /// Returns the number of floating-point operations of the forward pass of one image.
    pub fn flops(&self) -> usize {
        let factors = [self.out_channels, self.patch_len(), self.output[0], self.output[1]];
        // An estimate, so it may saturate.
        factors.iter().fold(2, |product, &factor| product.saturating_mul(factor))
    }

    /// Returns the rows of the output that these rows of the result are computed from.
    pub fn output_rows(&self, result: Range<usize>) -> Range<usize> {
        if self.is_pooled() { 2 * result.start..2 * result.end } else { result }
    }

    /// Returns the positions, as in [`PatchLayout::patch_starts`](super::patch_layout::PatchLayout::patch_starts), that these
    /// rows of the result are computed from.
    pub fn positions(&self, result: Range<usize>) -> Range<usize> {
        let row = self.result()[1] * if self.is_pooled() { 4 } else { 1 };
        result.start * row..result.end * row
    }

    /// Returns whether the convolution is a matrix product over channels.
    pub fn is_pointwise(&self) -> bool {
        let Window { kernel, stride, padding } = self.window;
        kernel == [1, 1] && stride == [1, 1] && padding == [0, 0] && !self.is_pooled()
    }

    /// Returns whether 2×2 max pooling follows.
    pub fn is_pooled(&self) -> bool {
        self.epilogue == Epilogue::ReluMaxPool
    }
}
