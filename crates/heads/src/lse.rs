use crate::pool_linear::Pooling;
use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use layers::{Description, Mode};

/// Log-sum-exp with a learnable sharpness, see [`ops::lse_pool`].
#[derive(Debug, Clone)]
pub struct Lse {
    r: Tensor,
}

impl Lse {
    /// Parameter `r` (1), which starts at 10.
    pub fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Self { r: vb.get_with_hints(1, "r", Init::Const(10.))? })
    }
}

impl Pooling for Lse {
    fn kind(&self) -> &'static str {
        "LogSumExp"
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        ops::lse_pool(features, &mode.parameter(&self.r))
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        Ok(Description::global(self.kind(), vec![features[0]]).with_params(1))
    }
}
