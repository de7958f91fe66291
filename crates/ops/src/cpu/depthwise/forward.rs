//! The forward pass, channels last: each channel is correlated with its kernel.

use super::{
    pixels::{Correlation, Places, dispatch_channels},
    shape::DepthwiseShape,
};
use crate::cpu::{
    conv_input::ConvInput, finish::Finish, map_order::MapOrder, padded_map::PaddedMap, parallel, scratch,
    transpose_matrix,
};

/// A depthwise convolution prepared for inputs of one size, followed by a ReLU if `relu`.
pub struct DepthwiseForward {
    s: DepthwiseShape,
    input: PaddedMap,
    /// For each tap, where it reads in a padded image, and its number.
    taps: Vec<(usize, usize)>,
    /// (kh · kw, C)
    weight: Vec<f32>,
    relu: bool,
}

impl DepthwiseForward {
    /// Takes weights (C, 1, kh, kw).
    pub fn new(s: &DepthwiseShape, weight: &[f32], relu: bool) -> Self {
        let input = s.padded_input();
        let taps = s.taps_in(&input).into_iter().zip(0..).collect();
        Self { s: *s, input, taps, weight: s.weights_by_tap(weight), relu }
    }

    /// Computes one image.
    pub fn forward_image(&self, x: ConvInput, bias: Option<&[f32]>, y: &mut [f32]) {
        let Self { s, input, taps, weight, relu } = self;
        let (channels, is_pixels) = (s.channels, s.result_order == MapOrder::Pixels);
        let pixels_len = if is_pixels { 0 } else { y.len() };
        scratch::with([input.len(), pixels_len], |[x_padded, pixels]| {
            input.pad(0..usize::MAX, x, s.input_order, x_padded);
            dispatch_channels(Correlation {
                channels,
                size: s.output,
                taps,
                weight,
                bias,
                relu: *relu,
                x: x_padded,
                x_places: s.places_in(input),
                y: if is_pixels { &mut *y } else { &mut *pixels },
                y_places: Places { start: 0, steps: [s.output[1] * channels, channels] },
            });
            if !is_pixels {
                transpose_matrix(pixels, y, [y.len() / channels, channels]);
            }
        });
    }
}

/// Convolves `x` with `weight` (C, 1, kh, kw), then applies ReLU if `relu`.
pub fn forward(s: &DepthwiseShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
    let conv = DepthwiseForward::new(s, weight, relu);
    parallel::filled(s.batch * s.output_len(), s.output_len(), s.batch.saturating_mul(s.flops()), |n, y| {
        conv.forward_image(ConvInput::Stored(&x[n * s.input_len()..][..s.input_len()]), bias, y.zeroed());
    })
}

/// Convolves `x` with `weight`, without bias, and finishes each image of the output; also returns the sums over the images.
pub fn forward_with_sums(s: &DepthwiseShape, x: ConvInput, weight: &[f32], finish: Finish) -> (Vec<f32>, Vec<f32>) {
    let conv = DepthwiseForward::new(s, weight, false);
    let [y_lens, sums_lens] = [s.output_len(), finish.sums].map(|len| (s.batch * len, len));
    parallel::filled_pair(y_lens, sums_lens, s.batch.saturating_mul(s.flops()), |n, y, image_sums| {
        let y = y.zeroed();
        conv.forward_image(x.part(n * s.input_len()..(n + 1) * s.input_len()), None, y);
        finish.run(n, 1, y, image_sums.zeroed());
    })
}
