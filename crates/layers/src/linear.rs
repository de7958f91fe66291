use crate::{Description, Layer, Mode, Prepared};
use candle_core::{Result, Tensor, bail};
use candle_nn::{Init, VarBuilder};
use ops::prepared;

/// A fully connected layer with bias, as `torch.nn.Linear`: `x · Wᵀ + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
    pub(crate) relu: bool,
}

impl Linear {
    /// Parameters `weight` (outputs, inputs) and `bias` (outputs), both initialised uniformly in ±1/√inputs.
    pub fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        let init = uniform(inputs);
        Ok(Self {
            weight: vb.get_with_hints((outputs, inputs), "weight", init)?,
            bias: vb.get_with_hints(outputs, "bias", init)?,
            relu: false,
        })
    }

    /// (outputs, inputs)
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// (outputs)
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}

/// PyTorch's default for convolutions and linear layers: `kaiming_uniform_(a=√5)` and the bias likewise come down to
/// U(−1/√fan_in, 1/√fan_in). `fan_in` is what one output adds up: inputs × the kernel's size.
pub fn uniform(fan_in: usize) -> Init {
    let bound = 1. / (fan_in as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

impl Layer for Linear {
    /// (…, inputs) → (…, outputs)
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let apply = if self.relu { ops::linear_relu } else { ops::linear };
        apply(xs, &mode.parameter(&self.weight), Some(&mode.parameter(&self.bias)))
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let (outputs, inputs) = self.weight.dims2()?;
        if input != [inputs] {
            bail!("a linear layer of {inputs} inputs does not take a shape of {input:?}")
        }
        Ok(Description::global(format!("Linear({inputs}, {outputs})"), vec![outputs])
            .with_params((inputs + 1) * outputs)
            .with_macs((inputs * outputs) as u64))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.describe(input)?;
        Ok(Box::new(prepared::Linear::new(&self.weight, Some(&self.bias), self.relu)?))
    }
}
