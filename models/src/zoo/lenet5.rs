use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Sequential, Stack};

use crate::{Architecture, Naming, Width};

/// LeNet-5 (LeCun et al. 1998, <https://doi.org/10.1109/5.726791>) as it is built today: with ReLU, max pooling, and
/// convolutions that see all maps of the layer before.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "lenet5",
    description: "LeNet-5 (LeCun 1998) with ReLU and max pooling",
    default_head: "fc:120,84",
    default_input: [1, 28, 28],
    default_classes: 10,
    naming: Naming::VGG,
    layers,
};

fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    Stack::new(input, vb)
        // The paper pads the 28x28 pixels of MNIST to 32x32.
        .conv_with(width.of(6), Conv2dOptions::new(5).padding(2))
        .relu()
        .max_pool(2)
        .conv(width.of(16), 5)
        .relu()
        .max_pool(2)
        .build()
}
