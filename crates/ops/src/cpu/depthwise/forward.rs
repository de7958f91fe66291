//! The forward pass: a correlation of each plane with its kernel, in parallel over images.

use super::shape::DepthwiseShape;
use crate::cpu::{conv_input::ConvInput, finish::Finish, parallel};

/// Convolves `x` (N, C, H, W) with `weight` (C, 1, kh, kw) to (N, C, oh, ow), then applies ReLU if `relu`.
pub fn forward(s: &DepthwiseShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
    let conv = s.plane_conv(weight, relu);
    parallel::filled(s.batch * s.output_len(), s.output_len(), s.batch.saturating_mul(s.flops()), |n, y| {
        conv.forward_image(&x[n * s.input_len()..][..s.input_len()], bias, y.zeroed());
    })
}

/// Computes [`forward`] without bias and ReLU, finishes each image of the output, and returns it with the sums over the images.
pub fn forward_with_sums(s: &DepthwiseShape, x: ConvInput, weight: &[f32], finish: Finish) -> (Vec<f32>, Vec<f32>) {
    let (conv, mut image_sums) = (s.plane_conv(weight, false), vec![0f32; s.batch * finish.sums]);
    let (y_lens, sums_lens) = ((s.batch * s.output_len(), s.output_len()), (&mut image_sums[..], finish.sums));
    let y = parallel::filled_zip(y_lens, sums_lens, s.batch.saturating_mul(s.flops()), |n, y, image_sums| {
        let y = y.zeroed();
        x.part(n * s.input_len()..(n + 1) * s.input_len()).with(s.input_len(), |x| conv.forward_image(x, None, y));
        finish.run(n, 1, y, image_sums);
    });
    (y, image_sums)
}
