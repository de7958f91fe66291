//! Blocks of a network in training, several of them as one operator.

mod chain;
mod to_planes;

use std::sync::Arc;

use candle_core::{Result, Tensor, bail};

use crate::{
    BatchStatistics, ConvBatchNorm, Epilogue, Projection, Window, add_relu,
    conv::{conv2d, convolve},
    conv_dense::{Conv2d, conv_shape},
    conv_norm::{Nchw, Residual, Sequence, Step, layer_by_layer},
    cpu::{
        conv::{self, ConvShape},
        fast,
        map_order::MapOrder,
    },
    weighted::Weighted,
};
use chain::{Link, apply_chain};

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

/// Returns the operators of a chain of blocks, and the steps with batch normalisation of each block, which have their
/// statistics after the forward pass. Between blocks whose kernels take them so, feature maps are channels last.
fn links(plans: Vec<Plan>, blocks: &[Block]) -> (Vec<Link>, Vec<Option<Steps>>) {
    let takes_pixels: Vec<_> = plans.iter().map(Plan::takes_pixels).collect();
    let (mut links, mut steps) = (Vec::new(), Vec::new());
    // The sizes of the feature maps before the next block, if they are channels last.
    let mut pixels = None;
    for (i, (mut plan, block)) in plans.into_iter().zip(blocks).enumerate() {
        if !takes_pixels[i][0] {
            links.extend(pixels.take().map(Link::to_planes));
        }
        let takes_next = takes_pixels.get(i + 1).is_some_and(|next| next[0]);
        let gives_pixels = if plan.keeps_order() { pixels.is_some() } else { takes_pixels[i][1] && takes_next };
        plan.set_orders([pixels.is_some(), gives_pixels].map(MapOrder::of));
        pixels = gives_pixels.then(|| plan.result());
        steps.push(plan.steps());
        links.push(plan.link(block));
    }
    links.extend(pixels.map(Link::to_planes));
    (links, steps)
}

/// Computes the blocks by separate operators, for tensors without a kernel.
fn one_by_one(xs: &Tensor, blocks: &[Block]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    let (mut xs, mut all) = (xs.clone(), Vec::new());
    for block in blocks {
        let (mut ys, statistics) = layer_by_layer(&xs, block.layers())?;
        match block {
            Block::Conv(conv) => ys = convolve(&xs, conv.weight, conv.bias, &conv.window.into(), conv.epilogue)?,
            Block::ConvBatchNorm(_) => {}
            Block::Residual(_, None) => ys = add_relu(&ys, &xs)?,
            Block::Residual(_, Some(p)) => ys = add_relu(&ys, &conv2d(&xs, p.weight, p.bias, &p.window.into())?)?,
        }
        xs = ys;
        all.extend(statistics);
    }
    Ok((xs, all))
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

    /// Returns the weights of the convolutions.
    fn weights(&self) -> impl Iterator<Item = &'a Tensor> {
        let other = match self {
            Block::Conv(conv) => Some(conv.weight),
            Block::ConvBatchNorm(_) => None,
            Block::Residual(_, projection) => projection.map(|projection| projection.weight),
        };
        self.layers().iter().map(|layer| layer.weight).chain(other)
    }

    /// Returns all parameters that are not weights of convolutions.
    fn biases(&self) -> impl Iterator<Item = &'a Tensor> {
        let other = match self {
            Block::Conv(conv) => conv.bias,
            Block::ConvBatchNorm(_) => None,
            Block::Residual(_, projection) => projection.and_then(|projection| projection.bias),
        };
        self.layers().iter().flat_map(ConvBatchNorm::parameters).chain(other)
    }

    fn tensors(&self) -> impl Iterator<Item = &'a Tensor> {
        self.weights().chain(self.biases())
    }
}

/// The layers with batch normalisation of a block.
type Steps = Arc<Vec<Step>>;

/// A block for an input of given sizes.
enum Plan {
    Conv(ConvShape),
    ConvBatchNorm(Sequence),
    Residual(Residual),
}

/// Plans the blocks for an input of these sizes, or returns an error if they do not fit it.
fn plans(input: Nchw, blocks: &[Block]) -> Result<Vec<Plan>> {
    let (mut sizes, mut plans) = (input, Vec::new());
    for block in blocks {
        let plan = match block {
            Block::Conv(conv) => Plan::Conv(conv_shape(sizes, conv.weight, conv.bias, &conv.window, conv.epilogue)?),
            Block::ConvBatchNorm(layers) => Plan::ConvBatchNorm(Sequence::new(sizes, layers)?),
            Block::Residual(layers, projection) => Plan::Residual(Residual::new(sizes, layers, projection.as_ref())?),
        };
        sizes = plan.result();
        plans.push(plan);
    }
    Ok(plans)
}

impl Plan {
    /// Returns the sizes of the result.
    fn result(&self) -> Nchw {
        match self {
            Plan::Conv(shape) => {
                let [height, width] = shape.result();
                (shape.batch, shape.out_channels, height, width)
            }
            Plan::ConvBatchNorm(sequence) => sequence.result,
            Plan::Residual(residual) => residual.body.result,
        }
    }

    /// Returns whether the input and the result may be channels last.
    fn takes_pixels(&self) -> [bool; 2] {
        match self {
            Plan::Conv(shape) => [conv::takes_pixels(shape); 2],
            Plan::ConvBatchNorm(sequence) => sequence.takes_pixels(),
            Plan::Residual(residual) => residual.takes_pixels(),
        }
    }

    /// Returns whether the input and the result have to be in the same order.
    fn keeps_order(&self) -> bool {
        matches!(self, Plan::Residual(residual) if residual.keeps_order())
    }

    /// Sets the orders of the input and of the result, which are planes unless they are set.
    fn set_orders(&mut self, orders: [MapOrder; 2]) {
        match self {
            Plan::Conv(shape) => [shape.input_order, shape.result_order] = orders,
            Plan::ConvBatchNorm(sequence) => sequence.set_orders(orders),
            Plan::Residual(residual) => residual.set_orders(orders),
        }
    }

    /// Returns the steps with batch normalisation, which have their statistics after the forward pass.
    fn steps(&self) -> Option<Steps> {
        match self {
            Plan::Conv(_) => None,
            Plan::ConvBatchNorm(sequence) => Some(sequence.steps.clone()),
            Plan::Residual(residual) => Some(residual.body.steps.clone()),
        }
    }

    fn link(self, block: &Block) -> Link {
        let operator: Box<dyn Weighted> = match self {
            Plan::Conv(shape) => Box::new(Conv2d::new(shape, true)),
            Plan::ConvBatchNorm(sequence) => Box::new(sequence),
            Plan::Residual(residual) => Box::new(residual),
        };
        Link { operator, weights: block.weights().cloned().collect(), biases: block.biases().cloned().collect() }
    }
}
