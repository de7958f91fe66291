use candle_core::{Result, Shape, Tensor, bail};

use crate::{
    composed,
    cpu::{self, Gradients, fast, linear as kernel},
    precision,
    weighted::{self, BackwardArgs, Weighted},
};

/// Computes `x · Wᵀ + b`, like `torch.nn.functional.linear`.
///
/// # Shapes
/// `xs` (…, D), `weight` (K, D), `bias` (K) → (…, K).
///
/// # Errors
/// Fails if the shapes do not fit each other.
pub fn linear(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    apply(xs, weight, bias, Rows::Last, false)
}

/// Computes `relu(linear(…))` in one operator.
///
/// # Shapes
/// The same as for [`linear`].
///
/// # Errors
/// The same as for [`linear`].
pub fn linear_relu(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    apply(xs, weight, bias, Rows::Last, true)
}

/// Computes `linear(xs.flatten_from(1), …)`, then ReLU if `relu`, in one operator.
///
/// # Shapes
/// `xs` (N, …) with D values for each of N, `weight` (K, D), `bias` (K) → (N, K).
///
/// # Errors
/// Fails if the shapes do not fit each other.
pub fn flatten_linear(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, relu: bool) -> Result<Tensor> {
    apply(xs, weight, bias, Rows::Flattened, relu)
}

/// Chooses which dimensions of an input hold the values that one row of a linear layer's weights multiplies.
#[derive(Debug, Clone, Copy)]
enum Rows {
    /// Takes the last dimension.
    Last,
    /// Takes all dimensions but the first.
    Flattened,
}

impl Rows {
    /// Splits the dimensions of an input into those that number its rows and those of the values of a row.
    fn split(self, dims: &[usize]) -> (&[usize], &[usize]) {
        let row = match self {
            Rows::Last => dims.len().saturating_sub(1),
            Rows::Flattened => 1.min(dims.len()),
        };
        dims.split_at(row)
    }
}

fn apply(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, rows: Rows, relu: bool) -> Result<Tensor> {
    if precision::is_half_on_cpu(&[xs, weight, bias.unwrap_or(weight)]) {
        return precision::weighted_in_f32(xs, weight, bias, |xs, weight, bias| apply(xs, weight, bias, rows, relu));
    }
    let (outputs, inputs) = weight.dims2()?;
    let (leading, row) = rows.split(xs.dims());
    if row.is_empty() || row.iter().product::<usize>() != inputs || weight.elem_count() == 0 {
        bail!("linear: weights {:?} do not fit an input {:?}; possible: (K, D) for (…, D)", weight.dims(), xs.dims())
    }
    if let Some(bias) = bias.filter(|bias| bias.dims() != [outputs]) {
        bail!("linear: a bias {:?} does not fit {outputs} outputs; possible: (K)", bias.dims())
    }
    let (rows, shape) = (xs.elem_count() / inputs, Shape::from([leading, &[outputs]].concat()));
    if fast(&[xs, weight, bias.unwrap_or(weight)]) {
        return weighted::apply(xs, weight, bias, Linear { sizes: [rows, inputs, outputs], shape, relu });
    }
    let ys = composed::linear(&xs.reshape((rows, inputs))?, weight, bias)?;
    if relu { composed::relu(&ys)? } else { ys }.reshape(shape)
}

struct Linear {
    /// The numbers of rows, inputs and outputs.
    sizes: [usize; 3],
    /// The shape of the result.
    shape: Shape,
    relu: bool,
}

impl Weighted for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let [rows, inputs, outputs] = self.sizes;
        let layer = kernel::Layer { weight, bias, size: [inputs, outputs], relu: self.relu, packed: None };
        (layer.forward(x, rows), self.shape.clone())
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let masked = self.relu.then(|| cpu::relu::backward(args.y, args.dy));
        let dy = masked.as_deref().unwrap_or(args.dy);
        Ok(Gradients {
            x: args.want_dx.then(|| kernel::backward_x(args.weight, dy, self.sizes)),
            weight: args.want_dw.then(|| kernel::backward_weight(args.x, dy, self.sizes)),
            bias: kernel::backward_bias(dy, self.sizes[2]),
        })
    }
}
