use crate::composed;
use crate::cpu::{self, fast, read};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor, bail};

/// `max(x, 0)` with gradient 0 at 0, as `torch.nn.functional.relu` (candle's has gradient 1 there).
///
/// # Shapes
/// Any; the result has the same.
pub fn relu(xs: &Tensor) -> Result<Tensor> {
    if fast(&[xs]) { xs.contiguous()?.apply_op1(Relu) } else { composed::relu(xs) }
}

/// `max(a + b, 0)`, the end of a residual block, in one pass.
///
/// # Shapes
/// Any, the same for both; the result has it, too.
pub fn add_relu(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.dims() != b.dims() {
        bail!("add_relu: {:?} and {:?} are not of one shape", a.dims(), b.dims())
    }
    if fast(&[a, b]) { a.contiguous()?.apply_op2(&b.contiguous()?, AddRelu) } else { relu(&(a + b)?) }
}

/// Softmax over the last axis, with a gradient (candle's `softmax_last_dim` silently cuts the graph).
pub fn softmax(xs: &Tensor) -> Result<Tensor> {
    // A constant shift: it changes neither the result nor the gradient.
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
        gradient(ys, grad).map(Some)
    }
}

/// The gradient behind a ReLU whose result was `ys`.
fn gradient(ys: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let dx = cpu::relu::backward(&read(ys)?, &read(&grad.contiguous()?)?);
    Tensor::from_vec(dx, ys.shape(), ys.device())
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
        let gradient = gradient(ys, grad)?;
        Ok((Some(gradient.clone()), Some(gradient)))
    }
}
