use crate::cpu::backward_pass::BackwardPass;
use crate::cpu::conv_input::ConvInput;
pub use crate::cpu::epilogue::Epilogue;
use crate::cpu::epilogue::SavedEpilogue;
use crate::cpu::image_sums::ImageSums;
use crate::cpu::{Gradients, conv, fast};
use crate::weighted::{Call, Weighted, apply};
use crate::{Window, composed};
use candle_core::{Result, Shape, Tensor, bail};
use std::sync::OnceLock;

/// 2-d convolution (cross-correlation), as `torch.nn.functional.conv2d` with zero padding.
///
/// # Shapes
/// `xs` (N, C_in, H, W), `weight` (C_out, C_in, kh, kw) with the kernel of `window`, `bias` (C_out) → (N, C_out, oh,
/// ow) with `window.output_size([H, W])`.
///
/// # Errors
/// Shapes that do not fit, or an input smaller than the kernel.
pub fn conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    convolve(xs, weight, bias, window, Epilogue::None)
}

/// [`conv2d`] with ReLU on top, in one operator: one buffer and one pass less than `relu(conv2d(…))`.
pub fn conv2d_relu(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    convolve(xs, weight, bias, window, Epilogue::Relu)
}

/// `max_pool2d(relu(conv2d(…)), Window::pool(2))` in one operator. The feature map before the pooling is never
/// written, and the backward pass goes through the maxima alone.
///
/// # Shapes
/// As [`conv2d`], with half of oh and ow, rounded down.
///
/// # Errors
/// As [`conv2d`]; an output smaller than 2x2.
pub fn conv2d_relu_max_pool(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    convolve(xs, weight, bias, window, Epilogue::ReluMaxPool)
}

/// 1-d convolution, as `torch.nn.functional.conv1d`: [`conv2d`] on images of height 1.
///
/// # Shapes
/// `xs` (N, C_in, L), `weight` (C_out, C_in, k), `bias` (C_out) → (N, C_out, (L + 2·padding − k) / stride + 1).
///
/// # Errors
/// As [`conv2d`].
pub fn conv1d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: usize, padding: usize) -> Result<Tensor> {
    let window = Window::row(weight.dim(2)?, stride, padding);
    conv2d(&xs.unsqueeze(2)?, &weight.unsqueeze(2)?, bias, &window)?.squeeze(2)
}

fn convolve(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    epilogue: Epilogue,
) -> Result<Tensor> {
    let shape = check(xs.dims4()?, weight, bias, window, epilogue)?;
    if !fast(&[xs, weight, bias.unwrap_or(weight)]) {
        let ys = composed::conv2d(xs, weight, bias, window)?;
        return match epilogue {
            Epilogue::None => Ok(ys),
            Epilogue::Relu => composed::relu(&ys),
            Epilogue::ReluMaxPool => composed::max_pool2d(&composed::relu(&ys)?, &Window::pool(2)),
        };
    }
    let has_gradient = [Some(xs), Some(weight), bias].into_iter().flatten().any(|t| t.track_op());
    apply(xs, weight, bias, Conv2d { shape, winners: has_gradient.then(OnceLock::new) })
}

/// The sizes of a convolution of (N, C_in, H, W), if they fit.
pub(crate) fn check(
    (batch, in_channels, height, width): (usize, usize, usize, usize),
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    epilogue: Epilogue,
) -> Result<conv::ConvShape> {
    let out_channels = weight.dim(0)?;
    if weight.elem_count() == 0 || weight.dims()[1..] != [in_channels, window.kernel[0], window.kernel[1]] {
        let (weight, xs) = (weight.dims(), [batch, in_channels, height, width]);
        bail!("conv2d: weights {weight:?} do not fit the input {xs:?} and {window:?}")
    }
    if bias.is_some_and(|b| b.dims() != [out_channels]) {
        bail!("conv2d: a bias for {out_channels} channels must be a vector of {out_channels}")
    }
    let input = [height, width];
    let output = window.output_size(input)?;
    if epilogue == Epilogue::ReluMaxPool {
        Window::pool(2).output_size(output)?;
    }
    Ok(conv::ConvShape { batch, in_channels, out_channels, input, output, window: *window, epilogue })
}

struct Conv2d {
    shape: conv::ConvShape,
    /// Where the backward pass will want to know them.
    winners: Option<OnceLock<Vec<u8>>>,
}

impl Weighted for Conv2d {
    const NAME: &'static str = "conv2d";

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let conv::Output { y, winners } = conv::forward(&self.shape, x, weight, bias, self.winners.is_some());
        if let Some(saved) = &self.winners {
            // An operator is made for one call: nothing is there yet.
            let _ = saved.set(winners);
        }
        let [height, width] = self.shape.result();
        (y, Shape::from((self.shape.batch, self.shape.out_channels, height, width)))
    }

    fn backward(&self, call: Call) -> Result<Gradients> {
        let saved = match (self.shape.epilogue, self.winners.as_ref().and_then(OnceLock::get)) {
            (Epilogue::None, _) => SavedEpilogue::Nothing,
            (Epilogue::Relu, _) => SavedEpilogue::Result(call.y),
            (Epilogue::ReluMaxPool, Some(winners)) => SavedEpilogue::Winners(winners),
            (Epilogue::ReluMaxPool, None) => {
                bail!("internal: a backward pass through an operator that kept nothing for it")
            }
        };
        let Call { x, weight, dy, want_dx, .. } = call;
        let x = ConvInput::Stored(x);
        let pass = BackwardPass { x, weight, dy, saved, norm: None, want_dx, dx_sums: ImageSums::NONE };
        Ok(conv::backward(&self.shape, &pass).0)
    }
}
