use crate::{Architecture, Naming, Width};
use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

/// All-CNN-C (Springenberg et al. 2014): strided convolutions in place of pooling. Its last layer, a 1x1 convolution to
/// the classes followed by global average pooling, is the head `gap`. Without the paper's dropout on the input.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "all-cnn-c",
    description: "All-CNN-C (Springenberg 2014): convolutions only, strided where others pool",
    default_head: "gap",
    default_input: [3, 32, 32],
    default_classes: 10,
    naming: Naming::Plain,
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
