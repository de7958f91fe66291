use candle_core::{Result, Tensor, bail};
use ops::prepared::{self, Prepared};

use crate::{
    description::Description,
    graph::{Graph, Value},
    layer::{Layer, Mode},
};

/// The exponential linear unit (Clevert et al. 2015), as `torch.nn.ELU`; see [`ops::elu`].
///
/// # Shapes
/// Any; the output has the same.
#[derive(Debug, Clone, Copy)]
pub struct Elu {
    alpha: f64,
}

impl Elu {
    /// Builds the layer, whose output tends to −`alpha` for large negative inputs.
    ///
    /// # Errors
    /// Fails unless `alpha` is finite and not negative.
    pub fn new(alpha: f64) -> Result<Self> {
        if !(alpha >= 0. && alpha.is_finite()) {
            bail!("Elu does not take an alpha of {alpha}; it must be finite and not negative")
        }
        Ok(Self { alpha })
    }
}

/// Uses α = 1, as PyTorch does.
impl Default for Elu {
    fn default() -> Self {
        Self { alpha: 1. }
    }
}

impl Layer for Elu {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::elu(xs, self.alpha)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let kind = if self.alpha == 1. { "ELU".to_string() } else { format!("ELU({})", self.alpha) };
        Ok(Description::pointwise(kind, input.to_vec()))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(prepared::Elu { values: input.iter().product(), alpha: self.alpha }))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        Ok(graph.node("Elu", &[xs], &[("alpha", self.alpha.into())]))
    }
}
