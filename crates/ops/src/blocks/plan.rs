use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::{Block, chain::Link};
use crate::{
    conv_dense::{Conv2d, conv_shape},
    conv_norm::{Nchw, Residual, Sequence, Step},
    cpu::{
        conv::{self, ConvShape},
        map_order::MapOrder,
    },
    parameterised::{Parameterised, WithBias},
};

/// Returns the operators of a chain of blocks, and the steps with batch normalisation of each block, which have their
/// statistics after the forward pass. Between blocks whose kernels take them so, feature maps are channels last.
pub fn links(plans: Vec<Plan>, blocks: &[Block]) -> (Vec<Link>, Vec<Option<Steps>>) {
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

/// The layers with batch normalisation of a block.
pub type Steps = Arc<Vec<Step>>;

/// A block for an input of given sizes.
pub enum Plan {
    Conv(ConvShape),
    ConvBatchNorm(Sequence),
    Residual(Residual),
}

/// Plans the blocks for an input of these sizes, or returns an error if they do not fit it.
pub fn plans(input: Nchw, blocks: &[Block]) -> Result<Vec<Plan>> {
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
        let operator: Box<dyn Parameterised> = match self {
            Plan::Conv(shape) => {
                let trains_weight = block.tensors().next().is_some_and(Tensor::track_op);
                Box::new(WithBias { operator: Conv2d::new(shape, true), trains_weight })
            }
            Plan::ConvBatchNorm(sequence) => Box::new(sequence),
            Plan::Residual(residual) => Box::new(residual),
        };
        Link { operator, parameters: block.tensors().cloned().collect() }
    }
}
