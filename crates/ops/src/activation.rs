use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor, bail};

use crate::{
    composed,
    cpu::{self, fast, read},
    precision,
};

/// Computes `max(x, 0)` with gradient 0 at 0, like `torch.nn.functional.relu` (candle's has gradient 1 there).
/// NaN stays NaN and lets the gradient pass, as in PyTorch.
///
/// # Shapes
/// Any → the same.
pub fn relu(xs: &Tensor) -> Result<Tensor> {
    if fast(&[xs]) { xs.contiguous()?.apply_op1(Relu) } else { composed::relu(xs) }
}

/// Computes `max(a + b, 0)`, the end of a residual block, in one pass.
///
/// # Shapes
/// Any, the same for `a` and `b` → the same.
///
/// # Errors
/// Fails if the shapes differ.
pub fn add_relu(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.dims() != b.dims() {
        bail!("add_relu: shapes {:?} and {:?} differ", a.dims(), b.dims())
    }
    if fast(&[a, b]) { a.contiguous()?.apply_op2(&b.contiguous()?, AddRelu) } else { relu(&(a + b)?) }
}

/// Computes the exponential linear unit (Clevert et al. 2015), like `torch.nn.functional.elu`: `x` for positive x, and
/// `α·(eˣ − 1)` otherwise. The gradient at 0 is α, and no input overflows.
///
/// # Shapes
/// Any → the same.
///
/// # Errors
/// Fails unless `alpha` is finite and not negative: the gradient is computed from the result, whose sign must tell that
/// of the input.
pub fn elu(xs: &Tensor, alpha: f64) -> Result<Tensor> {
    if !(alpha >= 0. && alpha.is_finite()) {
        bail!("elu: an alpha of {alpha} is not possible; it must be finite and not negative")
    }
    if fast(&[xs]) { xs.contiguous()?.apply_op1(Elu { alpha: alpha as f32 }) } else { composed::elu(xs, alpha) }
}

/// Computes the softmax over the last axis, like `torch.nn.functional.softmax`. It has a gradient (candle's
/// `softmax_last_dim` silently cuts the graph).
///
/// # Shapes
/// Any → the same.
pub fn softmax(xs: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| softmax(&xs));
    }
    // Subtracting the maximum prevents an overflow. As a constant it changes neither the result nor the gradient.
    let exp = xs.broadcast_sub(&xs.detach().max_keepdim(D::Minus1)?)?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(cpu::relu::forward(cpu::storage(storage, layout)?)), layout.shape().clone()))
    }

    fn bwd(&self, _xs: &Tensor, ys: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        masked(ys, grad).map(Some)
    }
}

/// Returns the gradient of the argument of a ReLU from its result and the gradient of the result.
fn masked(ys: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let dx = cpu::relu::backward(&read(ys)?, &read(&grad.contiguous()?)?);
    Tensor::from_vec(dx, ys.shape(), ys.device())
}

struct Elu {
    alpha: f32,
}

impl CustomOp1 for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = cpu::elu::forward(cpu::storage(storage, layout)?, self.alpha);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _xs: &Tensor, ys: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dx = cpu::elu::backward(&read(ys)?, &read(&grad.contiguous()?)?, self.alpha);
        Ok(Some(Tensor::from_vec(dx, ys.shape(), ys.device())?))
    }
}

struct AddRelu;

impl CustomOp2 for AddRelu {
    fn name(&self) -> &'static str {
        "add-relu"
    }

    fn cpu_fwd(&self, a: &CpuStorage, la: &Layout, b: &CpuStorage, lb: &Layout) -> Result<(CpuStorage, Shape)> {
        let sums = cpu::relu::forward_sum(cpu::storage(a, la)?, cpu::storage(b, lb)?);
        Ok((CpuStorage::F32(sums), la.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, ys: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = masked(ys, grad)?;
        Ok((Some(gradient.clone()), Some(gradient)))
    }
}
