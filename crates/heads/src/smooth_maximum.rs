use crate::pool_linear::Pooling;
use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use layers::{Description, Mode};

/// Poolings between average and maximum; one learnable number says where.
#[derive(Debug, Clone)]
pub struct SmoothMaximum {
    kind: &'static str,
    pool: fn(&Tensor, &Tensor) -> Result<Tensor>,
    /// (1)
    parameter: Tensor,
}

impl SmoothMaximum {
    /// Generalised mean, see [`ops::gem_pool`]. Parameter `p` (1), which starts at 3.
    pub fn gem(vb: VarBuilder) -> Result<Self> {
        let parameter = vb.get_with_hints(1, "p", Init::Const(3.))?;
        Ok(Self { kind: "GeM", pool: ops::gem_pool, parameter })
    }

    /// Log-sum-exp, see [`ops::lse_pool`]. Parameter `r` (1), which starts at 10.
    pub fn lse(vb: VarBuilder) -> Result<Self> {
        let parameter = vb.get_with_hints(1, "r", Init::Const(10.))?;
        Ok(Self { kind: "LogSumExp", pool: ops::lse_pool, parameter })
    }
}

impl Pooling for SmoothMaximum {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        (self.pool)(features, &mode.parameter(&self.parameter))
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        Ok(Description::global(self.kind, vec![features[0]]).with_params(1))
    }
}
