use candle_core::{Result, Tensor, bail};
use ops::prepared::{Pool, Prepared};

use crate::{
    description::Description,
    flatten::Flatten,
    graph::{Graph, Value},
    layer::{Layer, Mode},
    prepared::image_shape,
};

/// The maximum of each channel (Oquab et al. 2015), as `torch.nn.AdaptiveMaxPool2d(1)` and `torch.nn.Flatten`; see
/// [`ops::global_max_pool`].
///
/// # Shapes
/// (N, C, L) or (N, C, H, W) → (N, C).
#[derive(Debug, Clone, Copy)]
pub struct GlobalMaxPool;

/// The average of each channel (Lin et al. 2013), as `torch.nn.AdaptiveAvgPool2d(1)` and `torch.nn.Flatten`; see
/// [`ops::global_avg_pool`].
///
/// # Shapes
/// The same as for [`GlobalMaxPool`].
#[derive(Debug, Clone, Copy)]
pub struct GlobalAvgPool;

impl Layer for GlobalMaxPool {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::global_max_pool(xs)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        describe("GlobalMaxPool", input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::global_max(image_shape(input)?)?))
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let pooled = graph.node("GlobalMaxPool", &[xs], &[]);
        Flatten.export(input, graph, &pooled)
    }
}

impl Layer for GlobalAvgPool {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::global_avg_pool(xs)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        describe("GlobalAvgPool", input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::global_avg(image_shape(input)?)?))
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let pooled = graph.node("GlobalAveragePool", &[xs], &[]);
        Flatten.export(input, graph, &pooled)
    }
}

fn describe(name: &str, input: &[usize]) -> Result<Description> {
    if input.len() < 2 || input.contains(&0) {
        bail!("{name} does not take an input of {input:?}; it needs (C, L) or (C, H, W), none of them 0")
    }
    Ok(Description::global(name, vec![input[0]]))
}
