use crate::evidence::class_activation_map;
use crate::head::{Body, check_channels};
use crate::{Evidence, Reduction};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use layers::{Description, Layer, Linear, Mode, Prepared, prepare_with};
use ops::prepared::Chain;

/// A pooling of all positions to one vector.
pub trait Pooling: Send + Sync {
    fn kind(&self) -> &'static str;

    /// (N, C, …) → (N, D)
    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor>;

    /// D
    fn outputs(&self, channels: usize) -> usize {
        channels
    }

    /// Its own parameters and multiply-accumulates, for features of this shape.
    fn describe(&self, features: &[usize]) -> Result<Description> {
        Ok(Description::global(self.kind(), vec![self.outputs(features[0])]))
    }

    /// Ready for inference on features of this shape; as it is, unless the pooling knows better.
    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(prepare_with(features, self.outputs(features[0]), |xs| self.pool(xs, Mode::Inference)))
    }

    /// The class activation map, unless the pooling knows better.
    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        activation_maps(features, linear.weight(), linear, Reduction::None)
    }
}

/// The class activation map of a weight (K, C) with a linear layer's bias.
pub fn activation_maps(features: &Tensor, weight: &Tensor, linear: &Linear, reduction: Reduction) -> Result<Evidence> {
    let maps = class_activation_map(features, weight)?;
    Ok(Evidence { maps, bias: Some(linear.bias().clone()), reduction })
}

/// Pooling, then a linear layer: all the heads named `…-fc`.
pub struct PoolLinear<P> {
    pooling: P,
    channels: usize,
    linear: Linear,
}

impl<P: Pooling> PoolLinear<P> {
    pub fn new(pooling: P, channels: usize, classes: usize, vb: VarBuilder) -> Result<Self> {
        let linear = Linear::new(pooling.outputs(channels), classes, vb)?;
        Ok(Self { pooling, channels, linear })
    }
}

impl<P: Pooling> Layer for PoolLinear<P> {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.linear.forward(&self.pooling.pool(features, mode)?, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        check_channels(input, self.channels)?;
        let pooling = self.pooling.describe(input)?;
        let linear = self.linear.describe(&pooling.output)?;
        Ok(Description::chain("PoolLinear", input, vec![pooling, linear]))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        check_channels(input, self.channels)?;
        let linear = self.linear.prepare(&[self.pooling.outputs(self.channels)])?;
        Ok(Box::new(Chain::new(vec![self.pooling.prepare(input)?, linear])?))
    }
}

impl<P: Pooling> Body for PoolLinear<P> {
    fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.pooling.pool(features, mode)
    }

    fn class_maps(&self, features: &Tensor) -> Result<Evidence> {
        self.pooling.class_maps(features, &self.linear)
    }
}
