use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use ops::prepared::{self, Prepared};

use crate::{
    description::Description,
    graph::{Graph, Value},
    init::uniform,
    layer::{Layer, Mode},
};

/// A fully connected layer with bias, `x · Wᵀ + b`, as `torch.nn.Linear`.
///
/// # Shapes
/// (…, inputs) → (…, outputs).
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Builds the layer with the parameters `weight` (outputs, inputs) and `bias` (outputs), both initialised as
    /// [`uniform`]`(inputs)`.
    ///
    /// # Errors
    /// Fails if `vb` has tensors of these names in other shapes.
    pub fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        let init = uniform(inputs);
        Ok(Self {
            weight: vb.get_with_hints((outputs, inputs), "weight", init)?,
            bias: vb.get_with_hints(outputs, "bias", init)?,
        })
    }

    /// Returns the weight (outputs, inputs).
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias (outputs).
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// Computes the layer, followed by a ReLU if `relu`.
    pub(crate) fn forward_with_relu(&self, xs: &Tensor, mode: Mode, relu: bool) -> Result<Tensor> {
        let linear = if relu { ops::linear_relu } else { ops::linear };
        linear(xs, &mode.parameter(&self.weight), Some(&mode.parameter(&self.bias)))
    }

    /// Computes [`Flatten`](crate::Flatten), the layer and, if `relu`, a ReLU in one operator.
    ///
    /// # Shapes
    /// (N, …) with as many values for each of N as the layer has inputs → (N, outputs).
    ///
    /// # Errors
    /// If the input has another number of values.
    pub fn forward_flattened(&self, xs: &Tensor, mode: Mode, relu: bool) -> Result<Tensor> {
        ops::flatten_linear(xs, &mode.parameter(&self.weight), Some(&mode.parameter(&self.bias)), relu)
    }

    /// Prepares the layer, followed by a ReLU if `relu`.
    pub(crate) fn prepare_with_relu(&self, input: &[usize], relu: bool) -> Result<Box<dyn Prepared + '_>> {
        self.describe(input)?;
        Ok(Box::new(prepared::Linear::new(&self.weight, Some(&self.bias), relu)?))
    }
}

impl Layer for Linear {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_with_relu(xs, mode, false)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let (outputs, inputs) = self.weight.dims2()?;
        if input != [inputs] {
            bail!("Linear({inputs}, {outputs}) does not take an input of {input:?}; it needs [{inputs}]")
        }
        Ok(Description::global(format!("Linear({inputs}, {outputs})"), vec![outputs])
            .with_params((inputs + 1) * outputs)
            .with_macs((inputs * outputs) as u64))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.prepare_with_relu(input, false)
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let (weight, bias) = (graph.parameter("weight", &self.weight)?, graph.parameter("bias", &self.bias)?);
        Ok(graph.node("Gemm", &[xs, &weight, &bias], &[("transB", 1.into())]))
    }
}
