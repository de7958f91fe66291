use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, PaddedIdentity, Residual, Sequential, Stack};

use crate::{Architecture, Naming, Width};

/// ResNet-20 for CIFAR (He et al. 2015, <https://arxiv.org/abs/1512.03385>): three blocks per stage, convolutions
/// without bias, and shortcuts without parameters (option A of the paper).
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "resnet20",
    description: "ResNet-20 for CIFAR (He 2015), shortcuts without parameters",
    default_head: "gap-fc",
    default_input: [3, 32, 32],
    default_classes: 10,
    naming: Naming::RESNET,
    layers,
};

const BLOCKS_PER_STAGE: usize = 3;

fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    let mut stack = Stack::new(input, vb)
        .name("conv1")
        .conv_with(width.of(16), Conv2dOptions::same(3).without_bias())
        .name("bn1")
        .batch_norm()
        .name("relu")
        .relu();
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for position in 0..BLOCKS_PER_STAGE {
            let stride = if stage > 0 && position == 0 { 2 } else { 1 };
            stack = stack
                .name(format!("layer{}.{position}", stage + 1))
                .residual(|shape, vb| block(shape, width.of(channels), stride, vb));
        }
    }
    stack.build()
}

fn block(input: &[usize], channels: usize, stride: usize, vb: VarBuilder) -> Result<Residual> {
    let conv3 = Conv2dOptions::same(3).without_bias();
    let body = Stack::new(input, vb)
        .name("conv1")
        .conv_with(channels, conv3.stride(stride))
        .name("bn1")
        .batch_norm()
        .name("relu")
        .relu()
        .name("conv2")
        .conv_with(channels, conv3)
        .name("bn2")
        .batch_norm()
        .build()?;
    let block = Residual::new(body);
    Ok(if stride == 1 { block } else { block.with_shortcut(PaddedIdentity { stride, channels }) })
}
