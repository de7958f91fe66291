//! Blocks of a network in training, several of them as one operator.

mod chain;
mod one_by_one;
mod plan;
mod single;
mod tie;
mod to_planes;

use candle_core::{Result, Tensor, bail};

use crate::{BatchStatistics, ConvBatchNorm, Epilogue, Projection, Window, cpu::fast};
use chain::apply_chain;
use one_by_one::one_by_one;
use plan::{links, plans};
pub use single::{conv_batch_norm_train, residual_conv_batch_norm_train};

/// A block of [`blocks_train`].
#[derive(Debug, Clone)]
pub enum Block<'a> {
    /// A convolution with its epilogue.
    Conv(ConvEpilogue<'a>),
    /// Convolutions with batch normalisation, one after the other, as in
    /// [`conv_batch_norm_train`](crate::conv_batch_norm_train).
    ConvBatchNorm(Vec<ConvBatchNorm<'a>>),
    /// Such convolutions with a shortcut around them, which is the identity or a projection, as in
    /// [`residual_conv_batch_norm_train`](crate::residual_conv_batch_norm_train).
    Residual(Vec<ConvBatchNorm<'a>>, Option<Projection<'a>>),
}

/// A convolution with its epilogue.
#[derive(Debug, Clone, Copy)]
pub struct ConvEpilogue<'a> {
    /// The weights, (C_out, C_in, kh, kw).
    pub weight: &'a Tensor,
    /// The bias, (C_out).
    pub bias: Option<&'a Tensor>,
    /// The kernel size, stride and padding.
    pub window: Window,
    /// The operations that follow the convolution.
    pub epilogue: Epilogue,
}

/// Computes blocks of a network in training, one after the other, as one operator.
///
/// The result and the gradients are equal to those of separate operators, and come faster: the feature maps and gradients
/// between the blocks do not pass through candle, and where the kernels take feature maps that are channels last, they stay so.
///
/// # Shapes
/// `xs` (N, C, H, W) → (N, C', H', W'), as the blocks give it, with the batch statistics of each batch normalisation in turn.
///
/// # Errors
/// The same as for the blocks alone, and no blocks at all.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ops::{Block, ConvEpilogue, Epilogue, Window, blocks_train};
///
/// # fn main() -> candle_core::Result<()> {
/// let image = Tensor::randn(0f32, 1., (2, 1, 28, 28), &Device::Cpu)?;
/// let weights = [
///     Tensor::randn(0f32, 1., (32, 1, 3, 3), &Device::Cpu)?,
///     Tensor::randn(0f32, 1., (64, 32, 3, 3), &Device::Cpu)?,
/// ];
/// let blocks = weights.each_ref().map(|weight| {
///     Block::Conv(ConvEpilogue { weight, bias: None, window: Window::conv(3), epilogue: Epilogue::ReluMaxPool })
/// });
/// let (features, _) = blocks_train(&image, &blocks)?;
/// assert_eq!(features.dims(), [2, 64, 5, 5]);
/// # Ok(())
/// # }
/// ```
pub fn blocks_train(xs: &Tensor, blocks: &[Block]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    if blocks.is_empty() {
        bail!("blocks_train: there are no blocks")
    }
    let plans = plans(xs.dims4()?, blocks)?;
    let tensors: Vec<&Tensor> = blocks.iter().flat_map(Block::tensors).chain([xs]).collect();
    if blocks.iter().any(Block::is_empty) || !fast(&tensors) {
        return one_by_one(xs, blocks);
    }
    let (links, steps) = links(plans, blocks);
    let ys = apply_chain(xs, links)?;
    let mut statistics = Vec::new();
    for (block, steps) in blocks.iter().zip(steps) {
        for (layer, step) in block.layers().iter().zip(steps.iter().flat_map(|steps| steps.iter())) {
            statistics.push(layer.statistics(step)?);
        }
    }
    Ok((ys, statistics))
}

impl<'a> Block<'a> {
    /// Returns the layers with batch normalisation.
    fn layers(&self) -> &[ConvBatchNorm<'a>] {
        match self {
            Block::Conv(_) => &[],
            Block::ConvBatchNorm(layers) | Block::Residual(layers, _) => layers,
        }
    }

    /// Returns whether the block has no convolution.
    fn is_empty(&self) -> bool {
        !matches!(self, Block::Conv(_)) && self.layers().is_empty()
    }

    /// Returns the parameters in the order in which the operator of the block takes them.
    fn tensors(&self) -> impl Iterator<Item = &'a Tensor> {
        let conv = match self {
            Block::Conv(conv) => Some((conv.weight, conv.bias)),
            Block::ConvBatchNorm(_) => None,
            Block::Residual(_, projection) => projection.map(|projection| (projection.weight, projection.bias)),
        };
        let of_conv = conv.into_iter().flat_map(|(weight, bias)| [weight].into_iter().chain(bias));
        self.layers().iter().flat_map(ConvBatchNorm::parameters).chain(of_conv)
    }
}
