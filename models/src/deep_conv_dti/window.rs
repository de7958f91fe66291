use std::ops::Range;

use candle_core::{D, Result, Tensor};
use candle_nn::VarBuilder;
use heads::Pooling;
use layers::{Conv1dOptions, Description, Flatten, Layer, Mode, Sequential, Stack};

use super::{DeepConvDtiConfig, config::Activation};

/// The branch of one window size: convolution, batch normalisation, activation, and a pooling to one vector per sequence.
pub(super) struct Window {
    pub size: usize,
    layers: Sequential,
    /// `None` to flatten.
    pooling: Option<Box<dyn Pooling>>,
    /// How padding is left out of the pooling; `None` if it is not.
    masking: Option<Masking>,
}

#[derive(Clone, Copy)]
enum Masking {
    Maximum,
    Average,
}

impl Window {
    /// Builds the branch for an embedding of the shape `input`, (C, L).
    pub fn new(size: usize, config: &DeepConvDtiConfig, input: &[usize], vb: VarBuilder<'static>) -> Result<Self> {
        let conv = Stack::new(input, vb.clone()).name("conv").conv1d_with(config.filters, Conv1dOptions::same(size));
        let layers = activate(conv.name("norm").batch_norm().name("activation"), config.activation).build()?;
        let pooling = config.head.pooling(config.filters, vb.pp("pool"))?;
        if pooling.is_none() && !config.flattens() {
            candle_core::bail!(
                "DeepConv-DTI does not take the head {}; it takes fc, to flatten, and each head that is a pooling followed \
                 by a linear layer, such as gmp-fc",
                config.head
            )
        }
        let masking = match config.head.to_string().as_str() {
            _ if !config.masked => None,
            "gap-fc" => Some(Masking::Average),
            _ => Some(Masking::Maximum),
        };
        Ok(Self { size, layers, pooling, masking })
    }

    /// Computes the features (N, filters, L) before the pooling.
    pub fn features(&self, embedded: &Tensor, mode: Mode) -> Result<Tensor> {
        self.layers.forward(embedded, mode)
    }

    /// Computes the vectors (N, D) of the branch. `residues` is 1 for residues and 0 for padding, (N, 1, L).
    pub fn forward(&self, embedded: &Tensor, residues: &Tensor, mode: Mode) -> Result<Tensor> {
        self.pool(&self.features(embedded, mode)?, residues, mode)
    }

    /// Pools the features (N, filters, L) to the vectors (N, D) of the branch.
    pub fn pool(&self, features: &Tensor, residues: &Tensor, mode: Mode) -> Result<Tensor> {
        let Some(pooling) = &self.pooling else { return Flatten.forward(features, mode) };
        match self.masking {
            None => pooling.pool(features, mode),
            Some(Masking::Maximum) => pooling.pool(&without_padding(features, residues)?, mode),
            Some(Masking::Average) => {
                // The average over all positions, with 0 for padding, is too small by the share of residues.
                let residues = residues.to_dtype(features.dtype())?;
                let pooled = pooling.pool(&features.broadcast_mul(&residues)?, mode)?;
                pooled.broadcast_div(&residues.mean(D::Minus1)?)
            }
        }
    }

    /// Describes the branch for an embedding of the shape `input`, (C, L).
    pub fn describe(&self, input: &[usize]) -> Result<Description> {
        let (layers, pooling) = (self.layers.describe(input)?, self.describe_pooling(input)?);
        // The parameters of the convolution lie directly under the branch, so its layers are listed there.
        let mut parts = layers.children;
        let path = if pooling.path.is_empty() { "pool".into() } else { format!("pool.{}", pooling.path) };
        parts.push(pooling.at(path));
        Ok(Description::chain(format!("Window({})", self.size), input, parts))
    }

    /// Describes the pooling alone.
    pub fn describe_pooling(&self, input: &[usize]) -> Result<Description> {
        let features = self.layers.describe(input)?.output;
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

/// Replaces the features at padding by −∞, so that they win no maximum.
pub(super) fn without_padding(features: &Tensor, residues: &Tensor) -> Result<Tensor> {
    let lowest = Tensor::full(f32::NEG_INFINITY, features.shape(), features.device())?.to_dtype(features.dtype())?;
    residues.broadcast_as(features.shape())?.where_cond(features, &lowest)
}

/// Adds the activation.
pub(super) fn activate(stack: Stack<'static>, activation: Activation) -> Stack<'static> {
    match activation {
        Activation::Elu => stack.elu(),
        Activation::Relu => stack.relu(),
    }
}
