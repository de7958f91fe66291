use std::sync::OnceLock;

use candle_core::{Result, Tensor, bail};

use super::{memory::values, operator::Prepared};
use crate::cpu::{linear::Layer, matmul::Packed};

/// [`linear`](crate::linear) or [`linear_relu`](crate::linear_relu) with fixed weights.
pub struct Linear {
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    relu: bool,
    /// The weights in the order of matrix products, which only batches need.
    packed: OnceLock<Packed>,
}

impl Linear {
    /// Prepares the layer, followed by a ReLU if `relu`.
    ///
    /// # Shapes
    /// `weight` (K, D), `bias` (K).
    ///
    /// # Errors
    /// The same as for [`linear`](crate::linear); fails also if the weights are not f32 on the CPU.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, relu: bool) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        if weight.elem_count() == 0 || bias.is_some_and(|b| b.dims() != [outputs]) {
            let (weight, bias) = (weight.dims(), bias.map(Tensor::dims));
            bail!("linear: weights {weight:?} and bias {bias:?} do not fit; possible: (K, D) and (K)")
        }
        let bias = bias.map_or_else(|| Ok(vec![0.; outputs]), values)?;
        Ok(Self { weight: values(weight)?, bias, inputs, relu, packed: OnceLock::new() })
    }
}

impl Prepared for Linear {
    fn sizes(&self) -> [usize; 2] {
        [self.inputs, self.bias.len()]
    }

    fn prefers_whole_batch(&self) -> bool {
        true
    }

    fn flops(&self) -> usize {
        2 * self.weight.len()
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        let Self { weight, bias, inputs, relu, packed } = self;
        let size = [*inputs, bias.len()];
        Layer { weight, bias: Some(bias), size, relu: *relu, packed: Some(packed) }.forward_into(x, y);
        Ok(())
    }
}
