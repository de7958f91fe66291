use candle_core::{Result, Tensor};
use ops::prepared::{self, Prepared};

use crate::{
    description::Description,
    graph::{Graph, Value},
    layer::{Layer, Mode},
};

/// The rectified linear unit `max(x, 0)`, as `torch.nn.ReLU`; see [`ops::relu`].
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

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        Ok(graph.node("Relu", &[xs], &[]))
    }
}
