use super::pixels::Places;
use crate::{
    cpu::{map_order::MapOrder, padded_map::PaddedMap, transpose_matrix},
    window::Window,
};

/// The sizes of a depthwise convolution.
#[derive(Debug, Clone, Copy)]
pub struct DepthwiseShape {
    pub batch: usize,
    pub channels: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub window: Window,
    /// The order of an input image and of its gradient.
    pub input_order: MapOrder,
    /// The order of an image's result and of its gradient.
    pub result_order: MapOrder,
}

impl DepthwiseShape {
    /// Returns the number of floating-point operations of the forward pass of one image.
    pub fn flops(&self) -> usize {
        // An estimate, so it may saturate.
        self.taps().saturating_mul(2).saturating_mul(self.output_len())
    }

    /// Returns the number of values of one input image.
    pub fn input_len(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Returns the number of values of one output image.
    pub fn output_len(&self) -> usize {
        self.channels * self.output[0] * self.output[1]
    }

    /// Returns the number of weights of a channel.
    pub fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Returns the layout of a padded input image.
    pub(super) fn padded_input(&self) -> PaddedMap {
        PaddedMap::new(self.channels, self.input, self.window.padding)
    }

    /// Returns the layout of an image of the result with zeros around it wherever the gradient of the input reads.
    pub fn padded_output(&self) -> PaddedMap {
        let Window { kernel, stride, padding } = self.window;
        let before = [0, 1].map(|i| (kernel[i] - 1).saturating_sub(padding[i]).div_ceil(stride[i]));
        let last = [0, 1].map(|i| (self.input[i] - 1 + padding[i]) / stride[i]);
        let after = [0, 1].map(|i| (last[i] + 1).saturating_sub(self.output[i]));
        PaddedMap { channels: self.channels, size: self.output, before, after }
    }

    /// Returns where each tap reads in a padded input image, relative to the start of its patch.
    pub(super) fn taps_in(&self, input: &PaddedMap) -> Vec<usize> {
        let [rows, columns] = self.window.kernel;
        let of_row = |row| (0..columns).map(move |column| row * input.row_len() + column * self.channels);
        (0..rows).flat_map(of_row).collect()
    }

    /// Returns where the patches of the output's positions start in a padded input image.
    pub(super) fn places_in(&self, input: &PaddedMap) -> Places {
        let [rows, columns] = self.window.stride;
        Places { start: 0, steps: [rows * input.row_len(), columns * self.channels] }
    }

    /// Returns weights (C, 1, kh, kw) as (kh · kw, C).
    pub(super) fn weights_by_tap(&self, weight: &[f32]) -> Vec<f32> {
        let mut by_tap = vec![0.; weight.len()];
        transpose_matrix(weight, &mut by_tap, [self.channels, self.taps()]);
        by_tap
    }
}
