use crate::cpu::{Gradients, depthwise, fast};
use crate::weighted::{Call, Weighted, apply};
use crate::{Window, composed};
use candle_core::{Result, Shape, Tensor, bail};

/// Depthwise 2-d convolution, each channel by a kernel of its own, as `torch.nn.functional.conv2d` with
/// `groups = C_in = C_out`.
///
/// # Shapes
/// `xs` (N, C, H, W), `weight` (C, 1, kh, kw) with the kernel of `window`, `bias` (C) → (N, C, oh, ow) with
/// `window.output_size([H, W])`.
///
/// # Errors
/// Shapes that do not fit, or an input smaller than the kernel.
pub fn depthwise_conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    let shape = check(xs, weight, bias, window)?;
    if !fast(&[xs, weight, bias.unwrap_or(weight)]) {
        return composed::depthwise_conv2d(xs, weight, bias, window);
    }
    apply(xs, weight, bias, Depthwise(shape))
}

/// The sizes of a depthwise convolution, if they fit.
pub(crate) fn check(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<depthwise::Shape> {
    let (batch, channels, height, width) = xs.dims4()?;
    if channels == 0 || weight.dims() != [channels, 1, window.kernel[0], window.kernel[1]] {
        bail!("depthwise_conv2d: weights {:?} do not fit the input {:?} and {window:?}", weight.dims(), xs.dims())
    }
    if bias.is_some_and(|b| b.dims() != [channels]) {
        bail!("depthwise_conv2d: a bias for {channels} channels must be a vector of {channels}")
    }
    let input = [height, width];
    Ok(depthwise::Shape { batch, channels, input, output: window.output_size(input)?, window: *window })
}

struct Depthwise(depthwise::Shape);

impl Weighted for Depthwise {
    const NAME: &'static str = "depthwise-conv2d";

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let depthwise::Shape { batch, channels, output: [height, width], .. } = self.0;
        (depthwise::forward(&self.0, x, weight, bias), Shape::from((batch, channels, height, width)))
    }

    fn backward(&self, call: Call) -> Result<Gradients> {
        Ok(depthwise::backward(&self.0, call.x, call.weight, None, call.dy, call.want_dx))
    }
}
