use crate::composed;
use crate::cpu::{self, fast, read};
use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};

/// `max(x, 0)` with gradient 0 at 0, as `torch.nn.functional.relu` (candle's has gradient 1 there).
///
/// # Shapes
/// Any; the result has the same.
pub fn relu(xs: &Tensor) -> Result<Tensor> {
    if fast(&[xs]) { xs.contiguous()?.apply_op1(Relu) } else { composed::relu(xs) }
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
        let dx = cpu::relu::backward(&read(ys)?, &read(&grad.contiguous()?)?);
        Ok(Some(Tensor::from_vec(dx, ys.shape(), ys.device())?))
    }
}
