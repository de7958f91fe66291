//! 2-d convolution of f32 images, in planes or channels last, with weights (C_out, C_in, kh, kw), and its gradients.
//!
//! Each algorithm is a file or folder that implements the trait of the pass it computes ([`algorithm`]). One function
//! chooses among them, by the sizes of the convolution alone ([`choose`]):
//!
//! | algorithm | forward | backward | for |
//! | --- | --- | --- | --- |
//! | [`direct`] | yes | yes | everything else |
//! | [`winograd`] | yes | yes | 3×3 kernels of stride 1 with 8 channels or more; F(2×2, 3×3), or F(4×4, 3×3) in inference and from 32 channels on |
//! | [`conv1x1`] | yes | yes | 1×1 kernels of stride 1 without padding, on planes |
//! | [`plane_wise`] | yes | no | few input and output channels |
//! | [`sparse`] | no | yes | gradients behind ReLU and max pooling |
//!
//! Images are independent, so the batch is computed in parallel over images ([`mod@forward`]) or groups of images
//! ([`mod@backward`]). Bias, ReLU and 2×2 max pooling are applied while outputs are still in registers ([`results`]) or in the
//! first-level cache ([`output`]), and [`output_gradient`] undoes them in the backward pass.

mod algorithm;
mod backward;
mod channels_last;
mod choose;
mod conv1x1;
mod direct;
mod forward;
mod input_weights;
mod output;
mod output_gradient;
mod padded_backward;
mod patch_layout;
mod plane_wise;
mod results;
mod shape;
mod sparse;
mod weight_order;
mod winograd;

pub use backward::backward;
pub use choose::takes_pixels;
pub use forward::{Output, PreparedConv, forward, forward_with_sums};
pub use shape::ConvShape;
