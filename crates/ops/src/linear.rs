use crate::composed;
use crate::cpu::{self, Gradients, fast, linear as kernel};
use crate::weighted::{self, Call, Weighted};
use candle_core::{Result, Shape, Tensor, bail};

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
        weighted::apply(&xs, weight, bias, Linear { dims: [rows, inputs, outputs], relu })?
    };
    *shape.last_mut().expect("checked above") = outputs;
    ys.reshape(shape)
}

struct Linear {
    /// Rows, inputs, outputs.
    dims: [usize; 3],
    relu: bool,
}

impl Weighted for Linear {
    const NAME: &'static str = "linear";

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let y = kernel::forward(x, weight, bias, self.dims, self.relu);
        (y, Shape::from((self.dims[0], self.dims[2])))
    }

    fn backward(&self, call: Call) -> Result<Gradients> {
        let masked = self.relu.then(|| cpu::relu::backward(call.y, call.dy));
        let dy = masked.as_deref().unwrap_or(call.dy);
        Ok(Gradients {
            x: call.want_dx.then(|| kernel::backward_x(call.weight, dy, self.dims)),
            weight: kernel::backward_weight(call.x, dy, self.dims),
            bias: kernel::backward_bias(dy, self.dims[2]),
        })
    }
}
