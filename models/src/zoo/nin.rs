use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Sequential, Stack, Window};

use crate::{Architecture, Naming, Width};

/// Network in Network (Lin et al. 2013, <https://arxiv.org/abs/1312.4400>) for CIFAR. The last layer of the paper, a
/// 1x1 convolution to the classes followed by global average pooling, is the head `gap`.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "nin",
    description: "Network in Network (Lin 2013), which introduced global average pooling",
    default_head: "gap",
    default_input: [3, 32, 32],
    default_classes: 10,
    naming: Naming::VGG,
    layers,
};

fn layers<'a>(input: &[usize], width: Width, vb: VarBuilder<'a>) -> Result<Sequential> {
    let conv = |stack: Stack<'a>, channels, kernel| stack.conv_same(width.of(channels), kernel).relu();
    let pool = |stack: Stack<'a>| stack.max_pool_with(Window::pool(3).stride(2).padding(1)).dropout(0.5);
    let stack = Stack::new(input, vb);
    let stack = pool(conv(conv(conv(stack, 192, 5), 160, 1), 96, 1));
    let stack = pool(conv(conv(conv(stack, 192, 5), 192, 1), 192, 1));
    conv(conv(stack, 192, 3), 192, 1).build()
}
