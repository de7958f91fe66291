use super::{Prepared, values};
use crate::cpu::linear;
use crate::cpu::matvec::MatVec;
use crate::cpu::simd::dispatch;
use candle_core::{Result, Tensor, bail};

/// Up to this batch size the inputs are multiplied one by one.
const FEW: usize = 8;

/// [`crate::linear`], with ReLU on top if asked for.
pub struct Linear {
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    relu: bool,
}

impl Linear {
    /// `weight` is (K, D), `bias` (K).
    ///
    /// # Errors
    /// Those of [`crate::linear`], and weights that are not f32 on the CPU.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, relu: bool) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        if weight.elem_count() == 0 || bias.is_some_and(|b| b.dims() != [outputs]) {
            bail!("linear: weights {:?} and a bias {:?} do not fit", weight.dims(), bias.map(Tensor::dims))
        }
        let bias = bias.map_or_else(|| Ok(vec![0.; outputs]), values)?;
        Ok(Self { weight: values(weight)?, bias, inputs, relu })
    }
}

impl Prepared for Linear {
    fn sizes(&self) -> [usize; 2] {
        [self.inputs, self.bias.len()]
    }

    fn takes_few(&self) -> bool {
        false
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let batch = self.batch(x, y)?;
        let Self { weight, bias, inputs, relu } = self;
        if batch <= FEW {
            dispatch(MatVec { x, weight, bias, relu: *relu, y });
        } else {
            linear::forward_into(x, weight, Some(bias), [batch, *inputs, bias.len()], *relu, y);
        }
        Ok(())
    }
}
