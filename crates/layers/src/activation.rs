use crate::{Description, Layer, Mode, Prepared};
use candle_core::{Result, Tensor};
use ops::prepared;

/// `max(x, 0)`, see [`ops::relu`].
#[derive(Debug, Clone, Copy)]
pub struct Relu;

impl Layer for Relu {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::relu(xs)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        Ok(Description::pointwise("ReLU", input.to_vec()))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(prepared::Relu(input.iter().product())))
    }
}

/// All values of an input in one axis, as `torch.nn.Flatten`.
#[derive(Debug, Clone, Copy)]
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        xs.flatten_from(1)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        Ok(Description::global("Flatten", vec![input.iter().product()]))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(prepared::Identity(input.iter().product())))
    }
}
