use crate::{Architecture, Naming, Width};
use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

/// Pairs of padded 3x3 convolutions, after VGG (Simonyan & Zisserman 2014), with batch normalisation; a unit sees 32
/// pixels, the whole of a CIFAR image.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "vgg-small",
    description: "VGG-like with batch normalisation: 32, 32, pool, 64, 64, pool, 128, 128",
    default_head: "gap-fc",
    default_input: [3, 32, 32],
    default_classes: 10,
    naming: Naming::Plain,
    layers,
};

fn layers<'a>(input: &[usize], width: Width, vb: VarBuilder<'a>) -> Result<Sequential> {
    // The batch normalisation's shift stands in for the bias.
    let conv3 = |stack: Stack<'a>, channels| {
        stack.conv_with(width.of(channels), Conv2dOptions::same(3).without_bias()).batch_norm().relu()
    };
    let pair = |stack, channels| conv3(conv3(stack, channels), channels);
    let stack = pair(Stack::new(input, vb), 32).max_pool(2);
    let stack = pair(stack, 64).max_pool(2);
    pair(stack, 128).build()
}
