use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

use crate::{Architecture, Naming, Width};

/// A small VGG (Simonyan & Zisserman 2014, <https://arxiv.org/abs/1409.1556>): pairs of padded 3x3 convolutions, with
/// batch normalisation. The receptive field of 32 pixels is as large as a CIFAR image.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "vgg-small",
    description: "a small VGG (Simonyan & Zisserman 2014) with batch normalisation",
    default_head: "gap-fc",
    default_input: [3, 32, 32],
    default_classes: 10,
    naming: Naming::VGG,
    layers,
};

fn layers<'a>(input: &[usize], width: Width, vb: VarBuilder<'a>) -> Result<Sequential> {
    // The shift of the batch normalisation replaces the bias.
    let conv3 = |stack: Stack<'a>, channels| {
        stack.conv_with(width.of(channels), Conv2dOptions::same(3).without_bias()).batch_norm().relu()
    };
    let pair = |stack, channels| conv3(conv3(stack, channels), channels);
    let stack = pair(Stack::new(input, vb), 32).max_pool(2);
    let stack = pair(stack, 64).max_pool(2);
    pair(stack, 128).build()
}
