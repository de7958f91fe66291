use crate::{Architecture, Naming, Width};
use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

/// LeNet-5 (LeCun et al. 1998) as it is built today: full connections between the maps, ReLU and maximum pooling.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "lenet5",
    description: "LeNet-5 (LeCun 1998) with ReLU and maximum pooling",
    default_head: "fc:120,84",
    default_input: [1, 28, 28],
    default_classes: 10,
    naming: Naming::Plain,
    layers,
};

fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    Stack::new(input, vb)
        // The padding makes MNIST's 28x28 the 32x32 of the paper.
        .conv_with(width.of(6), Conv2dOptions::new(5).padding(2))
        .relu()
        .max_pool(2)
        .conv(width.of(16), 5)
        .relu()
        .max_pool(2)
        .build()
}
