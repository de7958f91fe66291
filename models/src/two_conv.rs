use crate::{Architecture, Naming, Width};
use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Sequential, Stack};

/// Two convolutions: the smallest net on which heads differ. On 28x28 pixels `fc` gets 1,600 features, `gap` 64 maps
/// of 5x5; a unit sees 10 pixels.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "two-conv",
    description: "conv 3x3 32, pool, conv 3x3 64, pool",
    default_head: "fc",
    default_input: [1, 28, 28],
    default_classes: 10,
    naming: Naming::Plain,
    layers,
};

fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    Stack::new(input, vb).conv(width.of(32), 3).relu().max_pool(2).conv(width.of(64), 3).relu().max_pool(2).build()
}
