//! Two convolutions, and the same with one thing changed: the padding, or what makes the maps smaller.

use crate::{Architecture, Naming, Width};
use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

/// The smallest net on which heads differ. On 28x28 pixels `fc` gets 1,600 features, `gap` 64 maps of 5x5; a unit sees
/// 10 pixels.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "two-conv",
    description: "conv 3x3 32, pool, conv 3x3 64, pool",
    default_head: "fc",
    default_input: [1, 28, 28],
    default_classes: 10,
    naming: Naming::Plain,
    layers,
};

/// Maps of 28, 14, 14 and 7: the zeros at the edge tell a unit where it is (Kayhan & van Gemert 2020).
pub(crate) const PADDED: Architecture = Architecture {
    name: "two-conv-padded",
    description: "two-conv with padded convolutions",
    layers: padded,
    ..ARCHITECTURE
};

/// The sizes of two-conv.
pub(crate) const AVG_POOL: Architecture = Architecture {
    name: "two-conv-avg-pool",
    description: "two-conv with average in place of maximum pooling",
    layers: avg_pool,
    ..ARCHITECTURE
};

/// The pooling removed, and its stride given to the convolution before it, as Springenberg et al. (2014) make the
/// "strided" of a net. Maps of 13 and, as the second convolution no longer sees what pooling would cut off, 6; a unit sees
/// 7 pixels.
pub(crate) const STRIDED: Architecture = Architecture {
    name: "two-conv-strided",
    description: "two-conv with stride 2 in place of pooling",
    layers: strided,
    ..ARCHITECTURE
};

/// Maps of 26 and 24; a unit sees 5 pixels.
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
