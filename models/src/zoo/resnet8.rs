use candle_core::Result;
use candle_nn::VarBuilder;
use layers::{Conv2dOptions, Residual, Sequential, Stack};

use crate::{Architecture, Naming, Width};

/// ResNet-8 of MLPerf Tiny (Banbury et al. 2021, <https://arxiv.org/abs/2106.07597>): one block per stage, convolutions
/// with bias, and 1x1 convolutions without batch normalisation as shortcuts.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    name: "resnet8",
    description: "ResNet-8 of MLPerf Tiny (Banbury 2021)",
    default_head: "gap-fc",
    default_input: [3, 32, 32],
    default_classes: 10,
    naming: Naming::RESNET,
    layers,
};

fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    let stack = Stack::new(input, vb).name("conv1").conv_same(width.of(16), 3).name("bn1").batch_norm();
    [(16, 1), (32, 2), (64, 2)]
        .into_iter()
        .enumerate()
        .fold(stack.name("relu").relu(), |stack, (stage, (channels, stride))| {
            stack
                .name(format!("layer{}.0", stage + 1))
                .residual(|shape, vb| block(shape, width.of(channels), stride, vb))
        })
        .build()
}

fn block(input: &[usize], channels: usize, stride: usize, vb: VarBuilder) -> Result<Residual> {
    let body = Stack::new(input, vb.clone())
        .name("conv1")
        .conv_with(channels, Conv2dOptions::same(3).stride(stride))
        .name("bn1")
        .batch_norm()
        .name("relu")
        .relu()
        .name("conv2")
        .conv_same(channels, 3)
        .name("bn2")
        .batch_norm()
        .build()?;
    if stride == 1 {
        return Ok(Residual::new(body));
    }
    let projection = Conv2dOptions::new(1).stride(stride);
    let shortcut = Stack::new(input, vb.pp("downsample")).conv_with(channels, projection).build()?;
    Ok(Residual::new(body).with_projection(shortcut))
}
