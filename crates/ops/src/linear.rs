use crate::composed;
use crate::cpu::{self, fast, linear as kernel, read};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// `x · Wᵀ + b`, as `torch.nn.functional.linear`.
///
/// # Shapes
/// `xs` (…, D), `weight` (K, D), `bias` (K) → (…, K).
///
/// # Errors
/// Shapes that do not fit.
pub fn linear(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    apply(xs, weight, bias, false)
}

/// [`linear`] with ReLU on top, in one operator.
pub fn linear_relu(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    apply(xs, weight, bias, true)
}

fn apply(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, relu: bool) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    if weight.elem_count() == 0 || xs.dims().last() != Some(&inputs) {
        bail!("linear: weights {:?} do not fit an input {:?}", weight.dims(), xs.dims())
    }
    if bias.is_some_and(|b| b.dims() != [outputs]) {
        bail!("linear: a bias for {outputs} outputs must be a vector of {outputs}")
    }
    let mut shape = xs.dims().to_vec();
    let rows = xs.elem_count() / inputs;
    let xs = xs.reshape((rows, inputs))?;
    let ys = if !fast(&[&xs, weight, bias.unwrap_or(weight)]) {
        let ys = composed::linear(&xs, weight, bias)?;
        if relu { composed::relu(&ys)? } else { ys }
    } else {
        let op = Linear { dims: [rows, inputs, outputs], relu };
        match bias {
            Some(bias) => xs.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?,
            None => xs.contiguous()?.apply_op2(&weight.contiguous()?, op)?,
        }
    };
    *shape.last_mut().expect("checked above") = outputs;
    ys.reshape(shape)
}

#[derive(Clone, Copy)]
struct Linear {
    /// Rows, inputs, outputs.
    dims: [usize; 3],
    relu: bool,
}

impl Linear {
    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (CpuStorage, Shape) {
        let y = kernel::forward(x, weight, bias, self.dims, self.relu);
        (CpuStorage::F32(y), Shape::from((self.dims[0], self.dims[2])))
    }

    /// Gradients of input (unless it takes part in no graph), weight and bias.
    fn backward(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        ys: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Tensor, Tensor)> {
        let (grad, device) = (grad.contiguous()?, xs.device());
        let dy = read(&grad)?;
        let masked: Vec<f32>;
        let dy = if self.relu {
            masked = cpu::relu::backward(&read(ys)?, &dy);
            &masked[..]
        } else {
            &dy[..]
        };
        let dx = if xs.track_op() {
            Some(Tensor::from_vec(kernel::backward_x(&read(weight)?, dy, self.dims), xs.shape(), device)?)
        } else {
            None
        };
        let dw = kernel::backward_weight(&read(xs)?, dy, self.dims);
        let db = kernel::backward_bias(dy, self.dims[2]);
        Ok((dx, Tensor::from_vec(dw, weight.shape(), device)?, Tensor::from_vec(db, self.dims[2], device)?))
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(cpu::storage(x, lx)?, cpu::storage(w, lw)?, None))
    }

    fn bwd(&self, xs: &Tensor, w: &Tensor, ys: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.backward(xs, w, ys, grad)?;
        Ok((dx, Some(dw)))
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(cpu::storage(x, lx)?, cpu::storage(w, lw)?, Some(cpu::storage(b, lb)?)))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        ys: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, db) = self.backward(xs, weight, ys, grad)?;
        Ok((dx, Some(dw), Some(db)))
    }
}
