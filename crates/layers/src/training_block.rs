use candle_core::{Result, Tensor};
use ops::{Block, ConvBatchNorm, ConvEpilogue, Epilogue, Projection, blocks_train};

use crate::{
    batch_norm::BatchNorm,
    fused_conv::{Convolution, FusedConv},
};

/// Modules that are a block of an operator in training.
#[derive(Clone)]
pub(crate) enum TrainingBlock {
    /// A convolution that is not depthwise, without batch normalisation.
    Conv(Convolution, Epilogue),
    /// Consecutive convolutions with batch normalisation.
    ConvBatchNorm(Vec<NormalisedConv>),
    /// A residual block of such convolutions. Its shortcut is the identity, or a convolution that is not depthwise.
    Residual(Vec<NormalisedConv>, Option<Convolution>),
}

/// A convolution with batch normalisation and an epilogue.
#[derive(Clone)]
pub(crate) struct NormalisedConv {
    convolution: Convolution,
    norm: BatchNorm,
    epilogue: Epilogue,
}

impl TrainingBlock {
    /// Makes a block of a convolution and what is fused with it; `None` if there is none for it.
    pub fn new(conv: &FusedConv) -> Option<Self> {
        let FusedConv { convolution, norm, epilogue } = conv.clone();
        match norm {
            Some(norm) => Some(Self::ConvBatchNorm(vec![NormalisedConv { convolution, norm, epilogue }])),
            None => (!convolution.depthwise).then_some(Self::Conv(convolution, epilogue)),
        }
    }

    /// Appends a block, which becomes a part of the last one if both are convolutions with batch normalisation.
    pub fn append(blocks: &mut Vec<Self>, block: Self) {
        match (blocks.last_mut(), block) {
            (Some(Self::ConvBatchNorm(layers)), Self::ConvBatchNorm(more)) => layers.extend(more),
            (_, block) => blocks.push(block),
        }
    }

    /// Computes consecutive blocks as one operator, and updates the running statistics of their layers.
    pub fn forward(xs: &Tensor, blocks: &[Self]) -> Result<Tensor> {
        let (ys, statistics) = blocks_train(xs, &blocks.iter().map(Self::argument).collect::<Vec<_>>())?;
        let layers = blocks.iter().flat_map(Self::normalised);
        layers.zip(&statistics).try_for_each(|(layer, batch)| layer.norm.update_running_statistics(batch))?;
        Ok(ys)
    }

    fn normalised(&self) -> &[NormalisedConv] {
        match self {
            Self::Conv(..) => &[],
            Self::ConvBatchNorm(layers) | Self::Residual(layers, _) => layers,
        }
    }

    fn argument(&self) -> Block<'_> {
        let layers = || self.normalised().iter().map(NormalisedConv::argument).collect();
        match self {
            Self::Conv(Convolution { weight, bias, window, .. }, epilogue) => {
                let (bias, window, epilogue) = (bias.as_ref(), *window, *epilogue);
                Block::Conv(ConvEpilogue { weight, bias, window, epilogue })
            }
            Self::ConvBatchNorm(_) => Block::ConvBatchNorm(layers()),
            Self::Residual(_, projection) => {
                let projection = projection.as_ref().map(|p| Projection::new(&p.weight, p.bias.as_ref(), p.window));
                Block::Residual(layers(), projection)
            }
        }
    }
}

impl NormalisedConv {
    fn argument(&self) -> ConvBatchNorm<'_> {
        let Self { convolution: Convolution { weight, bias, window, depthwise }, norm, epilogue } = self;
        ConvBatchNorm::new(weight, *window, &norm.weight, &norm.bias)
            .bias(bias.as_ref())
            .depthwise(*depthwise)
            .eps(norm.options.eps)
            .epilogue(*epilogue)
    }
}
