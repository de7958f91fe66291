use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

use crate::{Architecture, Naming, Width};

/// MobileNetV1 (Howard et al. 2017, <https://arxiv.org/abs/1704.04861>): 13 pairs of a depthwise 3x3 convolution and a
/// 1x1 convolution. With the width 0.25 and 96x96 pixels it is the network for visual wake words of MLPerf Tiny
/// (Banbury et al. 2021, <https://arxiv.org/abs/2106.07597>).
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "mobilenet-v1",
    description: "MobileNetV1 (Howard 2017); as mobilenet-v1@0.25 that of MLPerf Tiny (Banbury 2021)",
    default_head: "gap-fc",
    default_input: [3, 96, 96],
    default_classes: 2,
    naming: Naming::VGG,
    layers,
};

/// The output channels and the stride of each pair.
const PAIRS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

fn layers<'a>(input: &[usize], width: Width, vb: VarBuilder<'a>) -> Result<Sequential> {
    // The shift of the batch normalisation replaces the bias.
    let conv3 = |stride| Conv2dOptions::same(3).stride(stride).without_bias();
    let pointwise = Conv2dOptions::new(1).without_bias();
    let stem = Stack::new(input, vb).conv_with(width.of(32), conv3(2)).batch_norm().relu();
    let pair = |stack: Stack<'a>, (channels, stride)| {
        let depthwise = stack.depthwise_with(conv3(stride)).batch_norm().relu();
        depthwise.conv_with(width.of(channels), pointwise).batch_norm().relu()
    };
    PAIRS.into_iter().fold(stem, pair).build()
}
