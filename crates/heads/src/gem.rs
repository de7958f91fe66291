use crate::pool_linear::Pooling;
use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use layers::{Description, Mode};

/// Generalised mean with a learnable power, see [`ops::gem_pool`].
#[derive(Debug, Clone)]
pub struct Gem {
    p: Tensor,
}

impl Gem {
    /// Parameter `p` (1), which starts at 3.
    pub fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Self { p: vb.get_with_hints(1, "p", Init::Const(3.))? })
    }
}

impl Pooling for Gem {
    fn kind(&self) -> &'static str {
        "GeM"
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        ops::gem_pool(features, &mode.parameter(&self.p))
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        Ok(Description::global(self.kind(), vec![features[0]]).with_params(1))
    }
}
