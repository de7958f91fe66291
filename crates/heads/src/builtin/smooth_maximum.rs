use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use layers::image_shape;
use ops::prepared;

use crate::{Description, HeadKind, Mode, PoolLinear, Pooling, Prepared};

pub(super) const GEM_FC: HeadKind =
    HeadKind::new("gem-fc", "generalised mean with learnable power, linear", |features, classes, vb| {
        Ok(Box::new(PoolLinear::new(SmoothMaximum::gem(vb.clone())?, features[0], classes, vb)?))
    });

pub(super) const LSE_FC: HeadKind =
    HeadKind::new("lse-fc", "log-sum-exp with learnable sharpness, linear", |features, classes, vb| {
        Ok(Box::new(PoolLinear::new(SmoothMaximum::lse(vb.clone())?, features[0], classes, vb)?))
    });

/// A pooling between average and maximum, with one learnable parameter that determines how close it is to either.
#[derive(Debug, Clone)]
struct SmoothMaximum {
    name: &'static str,
    pool: fn(&Tensor, &Tensor) -> Result<Tensor>,
    prepare: fn(&Tensor, [usize; 3]) -> Result<prepared::SmoothMaximum>,
    /// The learnable parameter, (1).
    parameter: Tensor,
}

impl SmoothMaximum {
    /// Creates generalised mean pooling, see [`ops::gem_pool`]. Its parameter `p` is initialised to 3.
    fn gem(vb: VarBuilder) -> Result<Self> {
        let parameter = vb.get_with_hints(1, "p", Init::Const(3.))?;
        Ok(Self { name: "GeM", pool: ops::gem_pool, prepare: prepared::SmoothMaximum::gem, parameter })
    }

    /// Creates log-sum-exp pooling, see [`ops::lse_pool`]. Its parameter `r` is initialised to 10.
    fn lse(vb: VarBuilder) -> Result<Self> {
        let parameter = vb.get_with_hints(1, "r", Init::Const(10.))?;
        Ok(Self { name: "LogSumExp", pool: ops::lse_pool, prepare: prepared::SmoothMaximum::lse, parameter })
    }
}

impl Pooling for SmoothMaximum {
    fn name(&self) -> &str {
        self.name
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        (self.pool)(features, &mode.parameter(&self.parameter))
    }

    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new((self.prepare)(&self.parameter, image_shape(features)?)?))
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        Ok(Description::global(self.name, vec![features[0]]).with_params(1))
    }
}
