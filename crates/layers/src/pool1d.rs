use candle_core::{Result, Tensor, bail};
use ops::{
    Window,
    prepared::{Pool, Prepared},
};

use crate::{
    description::Description,
    graph::{Attribute, Graph, Value},
    layer::{Layer, Mode},
    receptive_field::ReceptiveField,
};

/// The options of a [`MaxPool1d`] or [`AvgPool1d`]. (Those of 2-d pooling are a [`Window`].)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pool1dOptions {
    /// The size of the window.
    pub kernel: usize,
    /// The distance between neighbouring windows.
    pub stride: usize,
    /// The padding at both ends, at most half the kernel.
    pub padding: usize,
}

impl Pool1dOptions {
    /// Creates the options of adjacent windows without padding.
    pub fn new(kernel: usize) -> Self {
        Self { kernel, stride: kernel, padding: 0 }
    }

    /// Sets the distance between neighbouring windows.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Sets the padding at both ends.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    fn window(&self) -> Window {
        Window::row(self.kernel, self.stride, self.padding)
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let Self { kernel, stride, padding } = *self;
        vec![("kernel_shape", [kernel].into()), ("strides", [stride].into()), ("pads", [padding; 2].into())]
    }

    fn describe(&self, name: &str, input: &[usize]) -> Result<Description> {
        let (Self { kernel, stride, padding }, image) = (*self, image(name, input)?);
        let [_, length] = self.window().output_size([image[1], image[2]])?;
        let padded = if padding == 0 { String::new() } else { format!(", padding {padding}") };
        let description =
            Description::pointwise(format!("{name}({kernel}, stride {stride}{padded})"), vec![image[0], length]);
        Ok(description.with_receptive_field(Some(vec![ReceptiveField::new(kernel, stride, padding)])))
    }
}

/// The maximum of each window over one axis, as `torch.nn.MaxPool1d`; see [`ops::max_pool1d`].
///
/// # Shapes
/// (N, C, L) → (N, C, (L + 2·padding − kernel) / stride + 1).
#[derive(Debug, Clone, Copy)]
pub struct MaxPool1d(pub Pool1dOptions);

/// The average of each window over one axis, as `torch.nn.AvgPool1d`; padding counts as zeros. See [`ops::avg_pool1d`].
///
/// # Shapes
/// The same as for [`MaxPool1d`].
#[derive(Debug, Clone, Copy)]
pub struct AvgPool1d(pub Pool1dOptions);

impl Layer for MaxPool1d {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::max_pool1d(xs, self.0.kernel, self.0.stride, self.0.padding)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        self.0.describe("MaxPool1d", input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::max(&self.0.window(), image("MaxPool1d", input)?)?))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        Ok(graph.node("MaxPool", &[xs], &self.0.attributes()))
    }
}

impl Layer for AvgPool1d {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::avg_pool1d(xs, self.0.kernel, self.0.stride, self.0.padding)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        self.0.describe("AvgPool1d", input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::avg(&self.0.window(), image("AvgPool1d", input)?)?))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let mut attributes = self.0.attributes();
        attributes.push(("count_include_pad", 1.into()));
        Ok(graph.node("AveragePool", &[xs], &attributes))
    }
}

/// Returns the shape (C, L) of an input as (C, 1, L).
fn image(name: &str, input: &[usize]) -> Result<[usize; 3]> {
    let &[channels, length] = input else { bail!("{name} does not take an input of {input:?}; it needs (C, L)") };
    Ok([channels, 1, length])
}
