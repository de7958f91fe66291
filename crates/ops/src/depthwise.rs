use crate::cpu::backward_pass::BackwardPass;
use crate::cpu::conv_input::ConvInput;
use crate::cpu::epilogue::SavedEpilogue;
use crate::cpu::image_sums::ImageSums;
use crate::cpu::{self, Gradients, depthwise, fast};
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
    convolve(xs, weight, bias, window, false)
}

/// [`depthwise_conv2d`] with ReLU on top, in one operator.
pub fn depthwise_conv2d_relu(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    convolve(xs, weight, bias, window, true)
}

fn convolve(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window, relu: bool) -> Result<Tensor> {
    let shape = check(xs.dims4()?, weight, bias, window)?;
    if !fast(&[xs, weight, bias.unwrap_or(weight)]) {
        let ys = composed::depthwise_conv2d(xs, weight, bias, window)?;
        return if relu { composed::relu(&ys) } else { Ok(ys) };
    }
    apply(xs, weight, bias, Depthwise { shape, relu })
}

/// The sizes of a depthwise convolution of (N, C, H, W), if they fit.
pub(crate) fn check(
    (batch, channels, height, width): (usize, usize, usize, usize),
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
) -> Result<depthwise::DepthwiseShape> {
    let input = [height, width];
    if channels == 0 || weight.dims() != [channels, 1, window.kernel[0], window.kernel[1]] {
        let (weight, xs) = (weight.dims(), [batch, channels, height, width]);
        bail!("depthwise_conv2d: weights {weight:?} do not fit the input {xs:?} and {window:?}")
    }
    if bias.is_some_and(|b| b.dims() != [channels]) {
        bail!("depthwise_conv2d: a bias for {channels} channels must be a vector of {channels}")
    }
    Ok(depthwise::DepthwiseShape { batch, channels, input, output: window.output_size(input)?, window: *window })
}

struct Depthwise {
    shape: depthwise::DepthwiseShape,
    relu: bool,
}

impl Weighted for Depthwise {
    const NAME: &'static str = "depthwise-conv2d";

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let depthwise::DepthwiseShape { batch, channels, output: [height, width], .. } = self.shape;
        let y = depthwise::forward(&self.shape, x, weight, bias, self.relu);
        (y, Shape::from((batch, channels, height, width)))
    }

    fn backward(&self, call: Call) -> Result<Gradients> {
        let masked = self.relu.then(|| cpu::relu::backward(call.y, call.dy));
        let dy = masked.as_deref().unwrap_or(call.dy);
        let (x, saved, dx_sums) = (ConvInput::Stored(call.x), SavedEpilogue::Nothing, ImageSums::NONE);
        let pass = BackwardPass { x, weight: call.weight, dy, saved, norm: None, want_dx: call.want_dx, dx_sums };
        Ok(depthwise::backward(&self.shape, &pass).0)
    }
}
