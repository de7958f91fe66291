use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use ops::{
    Window,
    prepared::{self, Prepared},
};

use crate::{
    conv2d::{Conv2dOptions, describe_convolution, export_convolution},
    description::Description,
    graph::{Graph, Value, window_attributes},
    init::uniform,
    layer::{Layer, Mode},
    prepared::image_shape,
    window_text::conv_text,
};

/// A depthwise 2-d convolution, which has one kernel per channel, as `torch.nn.Conv2d(c, c, …, groups=c)`.
///
/// # Shapes
/// (N, C, H, W) → (N, C, (H + 2·padding − kernel) / stride + 1, likewise for W).
#[derive(Debug, Clone)]
pub struct DepthwiseConv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window,
}

impl DepthwiseConv2d {
    /// Builds the layer with the parameters `weight` (channels, 1, kh, kw) and `bias` (channels), both initialised as
    /// [`uniform`]`(kh·kw)`.
    ///
    /// # Errors
    /// Fails if `vb` has tensors of these names in other shapes.
    pub fn new(channels: usize, options: Conv2dOptions, vb: VarBuilder) -> Result<Self> {
        let [kh, kw] = options.window.kernel;
        let init = uniform(kh * kw);
        let weight = vb.get_with_hints((channels, 1, kh, kw), "weight", init)?;
        let bias = options.bias.then(|| vb.get_with_hints(channels, "bias", init)).transpose()?;
        Ok(Self { weight, bias, window: options.window })
    }

    /// Returns the weight (channels, 1, kh, kw).
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias (channels).
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Returns the size of the kernel, the stride and the padding.
    pub fn window(&self) -> &Window {
        &self.window
    }
}

impl Layer for DepthwiseConv2d {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let (weight, bias) = (mode.parameter(&self.weight), self.bias.as_ref().map(|bias| mode.parameter(bias)));
        ops::depthwise_conv2d(xs, &weight, bias.as_ref(), &self.window)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let channels = self.weight.dim(0)?;
        let kind = format!("DepthwiseConv2d({channels}, {})", conv_text(&self.window));
        describe_convolution(kind, &self.weight, self.bias.as_ref(), &self.window, channels, input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let (bias, input) = (self.bias.as_ref(), image_shape(input)?);
        Ok(Box::new(prepared::DepthwiseConv2d::new(&self.weight, bias, &self.window, false, input)?))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let mut attributes = window_attributes(&self.window);
        attributes.push(("group", self.weight.dim(0)?.into()));
        export_convolution(graph, xs, &self.weight, self.bias.as_ref(), &attributes)
    }
}
