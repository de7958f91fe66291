use candle_core::{Result, Tensor};
use ops::prepared::{Identity, Prepared};

use crate::{
    description::Description,
    graph::{Graph, Value},
    layer::{Layer, Mode},
};

/// Reshapes every input to a vector, as `torch.nn.Flatten`.
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
        Ok(Box::new(Identity(input.iter().product())))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        Ok(graph.node("Flatten", &[xs], &[("axis", 1.into())]))
    }
}
