use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use ops::{
    Epilogue, Window,
    prepared::{self, Prepared},
};

use crate::{
    description::Description,
    graph::{Attribute, Graph, Value, window_attributes},
    init::uniform,
    layer::{Layer, Mode},
    prepared::image_shape,
    receptive_field::ReceptiveField,
    window_text::conv_text,
};

/// The options of a [`Conv2d`] or [`DepthwiseConv2d`](crate::DepthwiseConv2d).
///
/// They are named after libtorch's `torch::nn::Conv2dOptions` and, like them, describe a layer: they include the size of
/// the kernel and whether there is a bias. `ops::Conv2dConfig` and `candle_nn::Conv2dConfig` hold the remaining
/// arguments of a convolution with given weights.
///
/// ```
/// use layers::Conv2dOptions;
///
/// let downsampling = Conv2dOptions::same(3).stride(2).without_bias();
/// assert_eq!(downsampling.window.padding, [1, 1]);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Conv2dOptions {
    /// The size of the kernel, the stride and the zero padding.
    pub window: Window,
    /// True if the layer has a bias.
    pub bias: bool,
}

impl Conv2dOptions {
    /// Creates the options of a square kernel with stride 1, without padding and with bias.
    pub fn new(kernel: usize) -> Self {
        Self { window: Window::conv(kernel), bias: true }
    }

    /// Creates the options of a square kernel of odd size, padded so that with stride 1 the output is as large as the
    /// input.
    pub fn same(kernel: usize) -> Self {
        Self::new(kernel).padding(kernel / 2)
    }

    /// Sets the stride of both axes.
    pub fn stride(self, stride: usize) -> Self {
        Self { window: self.window.stride(stride), ..self }
    }

    /// Sets the zero padding on all sides.
    pub fn padding(self, padding: usize) -> Self {
        Self { window: self.window.padding(padding), ..self }
    }

    /// Removes the bias, for example because batch normalisation follows, whose shift replaces it.
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }
}

/// A 2-d convolution with zero padding, as `torch.nn.Conv2d`.
///
/// # Shapes
/// (N, inputs, H, W) → (N, outputs, (H + 2·padding − kernel) / stride + 1, likewise for W).
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window,
}

impl Conv2d {
    /// Builds the layer with the parameters `weight` (outputs, inputs, kh, kw) and `bias` (outputs), both initialised as
    /// [`uniform`]`(inputs·kh·kw)`.
    ///
    /// # Errors
    /// Fails if `vb` has tensors of these names in other shapes.
    pub fn new(inputs: usize, outputs: usize, options: Conv2dOptions, vb: VarBuilder) -> Result<Self> {
        let [kh, kw] = options.window.kernel;
        let init = uniform(inputs * kh * kw);
        Ok(Self {
            weight: vb.get_with_hints((outputs, inputs, kh, kw), "weight", init)?,
            bias: options.bias.then(|| vb.get_with_hints(outputs, "bias", init)).transpose()?,
            window: options.window,
        })
    }

    /// Returns the weight (outputs, inputs, kh, kw).
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias (outputs).
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Returns the size of the kernel, the stride and the padding.
    pub fn window(&self) -> &Window {
        &self.window
    }
}

impl Layer for Conv2d {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let (weight, bias) = (mode.parameter(&self.weight), self.bias.as_ref().map(|bias| mode.parameter(bias)));
        ops::conv2d(xs, &weight, bias.as_ref(), &self.window.into())
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let (outputs, inputs, _, _) = self.weight.dims4()?;
        let kind = format!("Conv2d({inputs}, {outputs}, {})", conv_text(&self.window));
        describe_convolution(kind, &self.weight, self.bias.as_ref(), &self.window, inputs, input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let (bias, input) = (self.bias.as_ref(), image_shape(input)?);
        Ok(Box::new(prepared::Conv2d::new(&self.weight, bias, &self.window, Epilogue::None, input)?))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        export_convolution(graph, xs, &self.weight, self.bias.as_ref(), &window_attributes(&self.window))
    }
}

/// Describes a convolution, depthwise or not, whose input has `channels` channels.
pub(crate) fn describe_convolution(
    kind: String,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    channels: usize,
    input: &[usize],
) -> Result<Description> {
    let &[c, height, width] = input else { bail!("{kind} does not take an input of {input:?}; it needs (C, H, W)") };
    if c != channels {
        bail!("{kind} does not take an input of {input:?}; it needs {channels} channels")
    }
    let [oh, ow] = window.output_size([height, width])?;
    Ok(Description::pointwise(kind, vec![weight.dim(0)?, oh, ow])
        .with_params(weight.elem_count() + bias.map_or(0, Tensor::elem_count))
        .with_macs(weight.elem_count().saturating_mul(oh).saturating_mul(ow) as u64)
        .with_receptive_field(Some(ReceptiveField::of_window(window))))
}

/// Exports a convolution with these attributes.
pub(crate) fn export_convolution(
    graph: &mut Graph,
    xs: &Value,
    weight: &Tensor,
    bias: Option<&Tensor>,
    attributes: &[(&'static str, Attribute)],
) -> Result<Value> {
    let weight = graph.parameter("weight", weight)?;
    let bias = bias.map(|bias| graph.parameter("bias", bias)).transpose()?;
    let inputs: Vec<&Value> = [xs, &weight].into_iter().chain(&bias).collect();
    Ok(graph.node("Conv", &inputs, attributes))
}
