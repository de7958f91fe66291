use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

use crate::{Architecture, Naming, Width};

/// All-CNN-C (Springenberg et al. 2014, <https://arxiv.org/abs/1412.6806>): strided convolutions instead of pooling.
/// The last layer of the paper, a 1x1 convolution to the classes followed by global average pooling, is the head `gap`.
/// The dropout of the paper on the input images is left out.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "all-cnn-c",
    description: "All-CNN-C (Springenberg 2014): strided convolutions instead of pooling",
    default_head: "gap",
    default_input: [3, 32, 32],
    default_classes: 10,
    naming: Naming::VGG,
    layers,
};

fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    let (narrow, wide) = (width.of(96), width.of(192));
    let downsampling = Conv2dOptions::same(3).stride(2);
    Stack::new(input, vb)
        .conv_same(narrow, 3)
        .relu()
        .conv_same(narrow, 3)
        .relu()
        .conv_with(narrow, downsampling)
        .relu()
        .dropout(0.5)
        .conv_same(wide, 3)
        .relu()
        .conv_same(wide, 3)
        .relu()
        .conv_with(wide, downsampling)
        .relu()
        .dropout(0.5)
        .conv(wide, 3)
        .relu()
        .conv(wide, 1)
        .relu()
        .build()
}
