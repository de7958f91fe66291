use candle_core::{Result, Tensor, bail};
use ops::{
    Window,
    prepared::{Pool, Prepared},
};

use crate::{
    description::Description,
    graph::{Graph, Value, window_attributes},
    layer::{Layer, Mode},
    prepared::image_shape,
    receptive_field::ReceptiveField,
    window_text::pool_text,
};

/// The maximum of each window, as `torch.nn.MaxPool2d`; see [`ops::max_pool2d`].
///
/// # Shapes
/// (N, C, H, W) → (N, C, (H + 2·padding − kernel) / stride + 1, likewise for W).
#[derive(Debug, Clone, Copy)]
pub struct MaxPool2d(pub Window);

/// The average of each window, as `torch.nn.AvgPool2d`; see [`ops::avg_pool2d`].
///
/// # Shapes
/// The same as for [`MaxPool2d`].
#[derive(Debug, Clone, Copy)]
pub struct AvgPool2d(pub Window);

impl Layer for MaxPool2d {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::max_pool2d(xs, &self.0)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        describe("MaxPool2d", &self.0, input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::max(&self.0, image_shape(input)?)?))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        Ok(graph.node("MaxPool", &[xs], &window_attributes(&self.0)))
    }
}

impl Layer for AvgPool2d {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::avg_pool2d(xs, &self.0)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        describe("AvgPool2d", &self.0, input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::avg(&self.0, image_shape(input)?)?))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let mut attributes = window_attributes(&self.0);
        attributes.push(("count_include_pad", 1.into()));
        Ok(graph.node("AveragePool", &[xs], &attributes))
    }
}

fn describe(name: &str, window: &Window, input: &[usize]) -> Result<Description> {
    let &[channels, height, width] = input else {
        bail!("{name} does not take an input of {input:?}; it needs (C, H, W)")
    };
    let [oh, ow] = window.output_size([height, width])?;
    let description = Description::pointwise(format!("{name}({})", pool_text(window)), vec![channels, oh, ow]);
    Ok(description.with_receptive_field(Some(ReceptiveField::of_window(window))))
}
