//! The backward pass of a convolution: runs the chosen algorithm on the batch, in parallel over groups of images.

use super::{choose, shape::ConvShape};
use crate::cpu::{
    backward_pass::BackwardPass,
    gradients::Gradients,
    image_groups::{GradientSizes, accumulate},
};

/// Computes the gradients of a convolution, and the sums over each image of dx.
pub fn backward(s: &ConvShape, pass: &BackwardPass) -> (Gradients, Vec<f32>) {
    let algorithm = choose::backward(s, pass.want_dx.then_some(pass.weight));
    let sizes = GradientSizes {
        batch: s.batch,
        image: s.input_len(),
        weight: algorithm.weight_gradient_len(),
        bias: s.out_channels,
        image_sums: pass.finish_dx.sums,
        want_dx: pass.want_dx,
        want_dw: pass.want_dw,
        flops: s.batch.saturating_mul(2).saturating_mul(s.flops()),
    };
    let (gradients, dx_sums) = accumulate(&sizes, |images, gradients| algorithm.add_gradients(pass, images, gradients));
    let weight = gradients.weight.map(|accumulated| algorithm.weight_gradient(&accumulated));
    (Gradients { weight, ..gradients }, dx_sums)
}
