use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use ops::prepared::Prepared;

use crate::{
    description::Description,
    layer::{Layer, Mode},
};

/// The exponential linear unit (Clevert et al. 2015), as `torch.nn.ELU`: `x` for positive `x`, `α·(eˣ − 1)` otherwise.
///
/// The gradient at 0 is α, and no input overflows.
///
/// # Shapes
/// Any; the output has the same.
#[derive(Debug, Clone, Copy)]
pub struct Elu {
    alpha: f64,
}

impl Elu {
    /// Builds the layer; `alpha` is the limit for large negative inputs, negated.
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

/// α = 1, as in PyTorch.
impl Default for Elu {
    fn default() -> Self {
        Self { alpha: 1. }
    }
}

impl Layer for Elu {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        if xs.device().is_cpu() && xs.dtype() == DType::F32 {
            return xs.contiguous()?.apply_op1(EluOperator { alpha: self.alpha as f32 });
        }
        // The branch that is not taken sees 0, so it cannot overflow. NaN is not positive and stays NaN.
        let (zeros, positive) = (xs.zeros_like()?, xs.gt(0.)?);
        let negative = positive.where_cond(&zeros, xs)?;
        positive.where_cond(xs, &((negative.exp()? - 1.)? * self.alpha)?)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let kind = if self.alpha == 1. { "ELU".to_string() } else { format!("ELU({})", self.alpha) };
        Ok(Description::pointwise(kind, input.to_vec()))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(PreparedElu { values: input.iter().product(), alpha: self.alpha as f32 }))
    }
}

fn elu(x: f32, alpha: f32) -> f32 {
    if x > 0. { x } else { alpha * x.exp_m1() }
}

/// ELU in one pass, on f32 on the CPU.
struct EluOperator {
    alpha: f32,
}

impl CustomOp1 for EluOperator {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = values(storage, layout)?.iter().map(|&x| elu(x, self.alpha)).collect();
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _xs: &Tensor, ys: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        ys.apply_op2_no_bwd(&grad.contiguous()?, &EluGradient { alpha: self.alpha }).map(Some)
    }
}

/// The gradient of the input, from the output and its gradient: for negative x the derivative α·eˣ is y + α.
struct EluGradient {
    alpha: f32,
}

impl CustomOp2 for EluGradient {
    fn name(&self) -> &'static str {
        "elu-gradient"
    }

    fn cpu_fwd(&self, y: &CpuStorage, ly: &Layout, dy: &CpuStorage, ldy: &Layout) -> Result<(CpuStorage, Shape)> {
        let gradient = |(&y, &dy): (&f32, &f32)| if y > 0. { dy } else { dy * (y + self.alpha) };
        let dx = values(y, ly)?.iter().zip(values(dy, ldy)?).map(gradient).collect();
        Ok((CpuStorage::F32(dx), ly.shape().clone()))
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("internal: the operator elu takes contiguous tensors, not {layout:?}"),
    }
}

struct PreparedElu {
    values: usize,
    alpha: f32,
}

impl Prepared for PreparedElu {
    fn sizes(&self) -> [usize; 2] {
        [self.values; 2]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = elu(x, self.alpha));
        Ok(())
    }
}
