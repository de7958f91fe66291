//! Plain networks of different depths, without any pooling between their layers.

use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

use crate::{Architecture, Naming, Width};

/// Two padded 3x3 convolutions with 16 channels and batch normalisation. Nothing shrinks the maps, so the head `fc` gets
/// 16 maps of the size of the image. He et al. (2015, <https://arxiv.org/abs/1512.03385>) call such a stack of
/// convolutions without shortcuts a plain network.
pub(crate) const TWO: Architecture = Architecture {
    name: "plain-2",
    description: "two 3x3 convolutions with 16 channels, without pooling",
    default_head: "fc",
    default_input: [1, 28, 28],
    default_classes: 10,
    naming: Naming::VGG,
    layers: layers::<2>,
};

/// `plain-2` with four convolutions.
pub(crate) const FOUR: Architecture =
    Architecture { name: "plain-4", description: "plain-2 with four convolutions", layers: layers::<4>, ..TWO };

/// `plain-2` with eight convolutions.
pub(crate) const EIGHT: Architecture =
    Architecture { name: "plain-8", description: "plain-2 with eight convolutions", layers: layers::<8>, ..TWO };

fn layers<'a, const DEPTH: usize>(input: &[usize], width: Width, vb: VarBuilder<'a>) -> Result<Sequential> {
    // The shift of the batch normalisation replaces the bias.
    let conv3 = Conv2dOptions::same(3).without_bias();
    let layer = |stack: Stack<'a>, _| stack.conv_with(width.of(16), conv3).batch_norm().relu();
    (0..DEPTH).fold(Stack::new(input, vb), layer).build()
}
