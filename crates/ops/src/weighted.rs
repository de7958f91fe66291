use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::{
    backward::hand_over_values,
    cpu::{self, Gradients, read},
    tape,
};

/// An operator with an input, weights and an optional bias, on plain slices: a convolution or a linear layer.
pub(crate) trait Weighted: Send + Sync {
    /// The name of the operator in candle's graph.
    fn name(&self) -> &'static str;

    /// Computes the result and its shape.
    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape);

    /// Computes the gradients of the arguments.
    fn backward(&self, args: BackwardArgs) -> Result<Gradients>;
}

/// The arguments of a backward pass: those of the forward pass but the bias, its result and the gradient of the result.
pub(crate) struct BackwardArgs<'a> {
    pub x: &'a [f32],
    pub weight: &'a [f32],
    pub y: &'a [f32],
    pub dy: &'a [f32],
    /// True if the input needs a gradient.
    pub want_dx: bool,
    /// True if the weights need a gradient.
    pub want_dw: bool,
}

/// Applies an operator to f32 tensors on the CPU.
pub(crate) fn apply(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    op: impl Weighted + 'static,
) -> Result<Tensor> {
    let (xs, weight, bias) = (xs.contiguous()?, weight.contiguous()?, bias.map(Tensor::contiguous).transpose()?);
    if tape::records([&xs, &weight].into_iter().chain(&bias)) {
        let values = bias.as_ref().map(read).transpose()?;
        let (ys, shape) = op.forward(&read(&xs)?, &read(&weight)?, values.as_deref());
        drop(values);
        return tape::record(ys, shape, move |ys, grad| {
            Operator(op).gradients(&xs, &weight, bias.as_ref(), ys, grad)?;
            Ok(())
        });
    }
    match bias {
        Some(bias) => xs.apply_op3(&weight, &bias, Operator(op)),
        None => xs.apply_op2(&weight, Operator(op)),
    }
}

/// Makes a [`Weighted`] a custom operator of candle, with or without a bias.
struct Operator<T>(T);

impl<T: Weighted> Operator<T> {
    /// Returns the gradients of the input, the weights and the bias, each if it takes part in a graph.
    fn gradients(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        ys: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let gradients = self.0.backward(BackwardArgs {
            x: &read(xs)?,
            weight: &read(weight)?,
            y: &read(ys)?,
            dy: &read(&grad)?,
            want_dx: xs.track_op(),
            want_dw: weight.track_op(),
        })?;
        let dx = hand_over_values(xs, gradients.x)?;
        let dw = hand_over_values(weight, gradients.weight)?;
        let db = bias.map(|bias| hand_over_values(bias, Some(gradients.bias))).transpose()?.flatten();
        Ok((dx, dw, db))
    }
}

impl<T: Weighted> CustomOp2 for Operator<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        let (y, shape) = self.0.forward(cpu::storage(x, lx)?, cpu::storage(w, lw)?, None);
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(&self, xs: &Tensor, w: &Tensor, ys: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.gradients(xs, w, None, ys, grad)?;
        Ok((dx, dw))
    }
}

impl<T: Weighted> CustomOp3 for Operator<T> {
    fn name(&self) -> &'static str {
        self.0.name()
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
        let (x, weight, bias) = (cpu::storage(x, lx)?, cpu::storage(w, lw)?, cpu::storage(b, lb)?);
        let (y, shape) = self.0.forward(x, weight, Some(bias));
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        ys: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        self.gradients(xs, weight, Some(bias), ys, grad)
    }
}
