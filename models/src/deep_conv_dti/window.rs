use std::ops::Range;

use candle_core::{D, Result, Tensor};
use candle_nn::VarBuilder;
use heads::Pooling;
use layers::{
    BatchNorm, BatchNormOptions, Conv1d, Conv1dOptions, Description, Elu, Embedded, Flatten, Layer, Mode, Relu, Stack,
};

use super::{DeepConvDtiConfig, config::Activation};

/// The branch of one window size: convolution, batch normalisation, activation, and a pooling to one vector per sequence.
pub(super) struct Window {
    pub size: usize,
    conv: Conv1d,
    norm: BatchNorm,
    activation: Box<dyn Layer>,
    /// `None` to flatten.
    pooling: Option<Box<dyn Pooling>>,
    /// True if the pooling is the global maximum, which is computed together with the convolution.
    is_maximum: bool,
    /// True if padding is left out of the pooling.
    masked: bool,
}

impl Window {
    /// Builds the branch for an embedding with this number of dimensions.
    pub fn new(size: usize, config: &DeepConvDtiConfig, dimensions: usize, vb: VarBuilder<'static>) -> Result<Self> {
        let conv = Conv1d::new(dimensions, config.filters, Conv1dOptions::same(size), vb.pp("conv"))?;
        let norm = BatchNorm::new(config.filters, BatchNormOptions::default(), vb.pp("norm"))?;
        let activation: Box<dyn Layer> = match config.activation {
            Activation::Elu => Box::new(Elu::default()),
            Activation::Relu => Box::new(Relu),
        };
        let pooling = config.head.pooling(config.filters, vb.pp("pool"))?;
        if pooling.is_none() && !config.flattens() {
            candle_core::bail!(
                "DeepConv-DTI does not take the head {}; it takes fc, to flatten, and each head that is a pooling followed \
                 by a linear layer, such as gmp-fc",
                config.head
            )
        }
        let is_maximum = config.head.to_string() == "gmp-fc";
        Ok(Self { size, conv, norm, activation, pooling, is_maximum, masked: config.masked })
    }

    /// Computes the features (N, filters, L) before the pooling.
    pub fn features(&self, embedded: &Embedded, mode: Mode) -> Result<Tensor> {
        let features = self.norm.forward(&embedded.convolve(&self.conv, mode)?, mode)?;
        self.activation.forward(&features, mode)
    }

    /// Computes the vectors (N, D) of the branch. `residues` is 1 for residues and 0 for padding, (N, L).
    pub fn forward(&self, embedded: &Embedded, residues: &Tensor, mode: Mode) -> Result<Tensor> {
        if self.is_maximum {
            // The activation increases, so it may follow the maximum, which is much smaller than the features.
            let mask = self.masked.then_some(residues);
            let maxima = embedded.normalised_maximum(&self.conv, &self.norm, mask, mode)?;
            return self.activation.forward(&maxima, mode);
        }
        self.pool(&self.features(embedded, mode)?, residues, mode)
    }

    /// Pools the features (N, filters, L) to the vectors (N, D) of the branch. `residues` is (N, L).
    pub fn pool(&self, features: &Tensor, residues: &Tensor, mode: Mode) -> Result<Tensor> {
        match &self.pooling {
            None => Flatten.forward(features, mode),
            Some(pooling) if self.masked && self.is_maximum => {
                pooling.pool(&without_padding(features, residues)?, mode)
            }
            Some(pooling) if self.masked => {
                // The average over all positions, with 0 for padding, is too small by the share of residues.
                let residues = residues.unsqueeze(1)?.to_dtype(features.dtype())?;
                let pooled = pooling.pool(&features.broadcast_mul(&residues)?, mode)?;
                pooled.broadcast_div(&residues.mean(D::Minus1)?)
            }
            Some(pooling) => pooling.pool(features, mode),
        }
    }

    /// Describes the branch for an embedding of the shape `input`, (C, L).
    pub fn describe(&self, input: &[usize]) -> Result<Description> {
        let conv = self.conv.describe(input)?;
        let (norm, activation) = (self.norm.describe(&conv.output)?, self.activation.describe(&conv.output)?);
        let pooling = self.describe_pooling(input)?;
        let path = if pooling.path.is_empty() { "pool".into() } else { format!("pool.{}", pooling.path) };
        let parts = vec![conv.at("conv"), norm.at("norm"), activation.at("activation"), pooling.at(path)];
        Ok(Description::chain(format!("Window({})", self.size), input, parts))
    }

    /// Describes the pooling alone.
    pub fn describe_pooling(&self, input: &[usize]) -> Result<Description> {
        let features = self.conv.describe(input)?.output;
        match &self.pooling {
            Some(pooling) => pooling.describe(&features),
            None => Flatten.describe(&features),
        }
    }

    /// Returns the positions that the window at `position` covers of a sequence of `length`.
    pub fn covered(&self, position: usize, length: usize) -> Range<usize> {
        let [before, behind] = Conv1dOptions::same(self.size).padding;
        position.saturating_sub(before)..(position + behind + 1).min(length)
    }
}

/// Replaces the features at padding by −∞, so that they win no maximum. `residues` is (N, L).
pub(super) fn without_padding(features: &Tensor, residues: &Tensor) -> Result<Tensor> {
    let lowest = Tensor::full(f32::NEG_INFINITY, features.shape(), features.device())?.to_dtype(features.dtype())?;
    residues.unsqueeze(1)?.broadcast_as(features.shape())?.where_cond(features, &lowest)
}

/// Adds the activation.
pub(super) fn activate(stack: Stack<'static>, activation: Activation) -> Stack<'static> {
    match activation {
        Activation::Elu => stack.elu(),
        Activation::Relu => stack.relu(),
    }
}
