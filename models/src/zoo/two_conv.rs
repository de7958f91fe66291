//! A network of two convolutions, and variants of it that differ in the padding or in how the maps are downsampled.

use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

use crate::{Architecture, Naming, Width};

/// The smallest network on which heads differ. For 28x28 pixels its features are 64 maps of 5x5, so `fc` gets a vector
/// of 1,600 values. The receptive field is 10 pixels.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "two-conv",
    description: "two 3x3 convolutions with 32 and 64 channels, each followed by max pooling",
    default_head: "fc",
    default_input: [1, 28, 28],
    default_classes: 10,
    naming: Naming::VGG,
    layers,
};

/// `two-conv` with padding, whose maps are 7x7. The zeros of the padding tell the convolutions where the edge is
/// (Kayhan & van Gemert 2020, <https://arxiv.org/abs/2003.07064>).
pub(crate) const PADDED: Architecture =
    Architecture { name: "two-conv-padded", description: "two-conv with padding", layers: padded, ..ARCHITECTURE };

/// `two-conv` with average pooling. All shapes are those of `two-conv`.
pub(crate) const AVG_POOL: Architecture = Architecture {
    name: "two-conv-avg-pool",
    description: "two-conv with average pooling instead of max pooling",
    layers: avg_pool,
    ..ARCHITECTURE
};

/// `two-conv` without pooling, whose stride moves to the preceding convolution, as in the "strided" networks of
/// Springenberg et al. (2014, <https://arxiv.org/abs/1412.6806>). The maps are 6x6 instead of 5x5, since no pooling
/// cuts off the last row and column, and the receptive field is 7 pixels.
pub(crate) const STRIDED: Architecture = Architecture {
    name: "two-conv-strided",
    description: "two-conv with strided convolutions instead of pooling (Springenberg 2014)",
    layers: strided,
    ..ARCHITECTURE
};

/// `two-conv` without any downsampling. The maps are 24x24 and the receptive field is 5 pixels.
pub(crate) const NO_POOL: Architecture =
    Architecture { name: "two-conv-no-pool", description: "two-conv without pooling", layers: no_pool, ..ARCHITECTURE };

fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    Stack::new(input, vb).conv(width.of(32), 3).relu().max_pool(2).conv(width.of(64), 3).relu().max_pool(2).build()
}

fn padded(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    Stack::new(input, vb)
        .conv_same(width.of(32), 3)
        .relu()
        .max_pool(2)
        .conv_same(width.of(64), 3)
        .relu()
        .max_pool(2)
        .build()
}

fn avg_pool(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    Stack::new(input, vb).conv(width.of(32), 3).relu().avg_pool(2).conv(width.of(64), 3).relu().avg_pool(2).build()
}

fn strided(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    let strided = Conv2dOptions::new(3).stride(2);
    Stack::new(input, vb).conv_with(width.of(32), strided).relu().conv_with(width.of(64), strided).relu().build()
}

fn no_pool(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    Stack::new(input, vb).conv(width.of(32), 3).relu().conv(width.of(64), 3).relu().build()
}
