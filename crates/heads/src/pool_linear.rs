use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use layers::graph::{Graph, Value};
use ops::prepared::Chain;

use crate::{ClassifierHead, Description, Evidence, Layer, Linear, Mode, Pooling, Prepared, pooling::check_channels};

/// A head that pools the features and applies a linear layer, as all heads named `…-fc` do.
///
/// See [`Pooling`] for an example.
#[derive(Debug, Clone)]
pub struct PoolLinear<P> {
    pooling: P,
    channels: usize,
    linear: Linear,
}

impl<P: Pooling> PoolLinear<P> {
    /// Builds the head for features of `channels` channels. Its parameters `weight` (K, D) and `bias` (K) lie directly
    /// under `vb`.
    ///
    /// # Errors
    /// Parameters that `vb` lacks or holds in another shape.
    pub fn new(pooling: P, channels: usize, classes: usize, vb: VarBuilder) -> Result<Self> {
        let linear = Linear::new(pooling.outputs(channels), classes, vb)?;
        Ok(Self { pooling, channels, linear })
    }
}

impl<P: Pooling> Layer for PoolLinear<P> {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.linear.forward(&self.pooled(features, mode)?, mode)
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

    fn export(&self, input: &[usize], graph: &mut Graph, features: &Value) -> Result<Value> {
        let pooled = self.pooling.export(input, graph, features)?;
        self.linear.export(&[self.pooling.outputs(self.channels)], graph, &pooled)
    }
}

impl<P: Pooling> ClassifierHead for PoolLinear<P> {
    fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        let pooled = self.pooling.pool(features, mode)?;
        let expected = [features.dim(0)?, self.pooling.outputs(self.channels)];
        if pooled.dims() != expected {
            let (name, pooled, features) = (self.pooling.name(), pooled.dims(), features.dims());
            bail!("the pooling {name} gives {pooled:?} for features {features:?}; the linear layer takes {expected:?}")
        }
        Ok(pooled)
    }

    fn class_maps(&self, features: &Tensor) -> Result<Evidence> {
        self.pooling.class_maps(features, &self.linear)
    }

    fn export_class_maps(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        self.pooling.export_class_maps(&self.linear, features, graph, xs)
    }
}
