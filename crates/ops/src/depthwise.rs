use candle_core::{Result, Shape, Tensor, bail};

use crate::{
    Window, composed,
    cpu::{
        self, Gradients,
        backward_pass::BackwardPass,
        conv_input::ConvInput,
        depthwise::{self, DepthwiseShape},
        epilogue::SavedEpilogue,
        fast,
        finish::Finish,
        map_order::MapOrder,
    },
    precision,
    sizes::check_memory,
    weighted::{BackwardArgs, Weighted, apply},
};

/// Convolves each channel with its own kernel, like `torch.nn.functional.conv2d` with `groups = C_in = C_out`.
///
/// # Shapes
/// `xs` (N, C, H, W), `weight` (C, 1, kh, kw) with the kernel of `window`, `bias` (C) → (N, C, oh, ow) with
/// `window.output_size([H, W])`.
///
/// # Errors
/// Fails if the shapes do not fit each other, or if the input is smaller than the kernel.
pub fn depthwise_conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    depthwise(xs, weight, bias, window, false)
}

/// Computes `relu(depthwise_conv2d(…))` in one operator.
///
/// # Shapes
/// The same as for [`depthwise_conv2d`].
///
/// # Errors
/// The same as for [`depthwise_conv2d`].
pub fn depthwise_conv2d_relu(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    depthwise(xs, weight, bias, window, true)
}

/// Computes [`depthwise_conv2d`], followed by a ReLU if `relu`.
pub(crate) fn depthwise(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    relu: bool,
) -> Result<Tensor> {
    if precision::is_half(&[xs, weight, bias.unwrap_or(weight)]) {
        return precision::weighted_in_f32(xs, weight, bias, |xs, weight, bias| {
            depthwise(xs, weight, bias, window, relu)
        });
    }
    let shape = depthwise_shape(xs.dims4()?, weight, bias, window)?;
    if !fast(&[xs, weight, bias.unwrap_or(weight)]) {
        let ys = composed::depthwise_conv2d(xs, weight, bias, window)?;
        return if relu { composed::relu(&ys) } else { Ok(ys) };
    }
    apply(xs, weight, bias, Depthwise { shape, relu })
}

/// Returns the sizes of a depthwise convolution of an input (N, C, H, W), or an error if the tensors do not fit each
/// other.
pub(crate) fn depthwise_shape(
    (batch, channels, height, width): (usize, usize, usize, usize),
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
) -> Result<DepthwiseShape> {
    let input = [height, width];
    if channels == 0 || weight.dims() != [channels, 1, window.kernel[0], window.kernel[1]] {
        let (weight, xs) = (weight.dims(), [batch, channels, height, width]);
        bail!(
            "depthwise_conv2d: weights {weight:?} do not fit an input {xs:?} and {window:?}; possible: (C, 1, kh, kw)"
        )
    }
    if let Some(bias) = bias.filter(|bias| bias.dims() != [channels]) {
        bail!("depthwise_conv2d: a bias {:?} does not fit {channels} channels; possible: (C)", bias.dims())
    }
    let output = window.output_size(input)?;
    let [padded_height, padded_width] = window.padded_size(input)?;
    check_memory("depthwise_conv2d: a padded image", &[channels, padded_height, padded_width])?;
    check_memory("depthwise_conv2d: a result", &[batch, channels, output[0], output[1]])?;
    // A stride beyond the padded image leaves a single position, as one of its size does.
    let padded = [padded_height, padded_width];
    let window = Window { stride: [0, 1].map(|axis| window.stride[axis].min(padded[axis])), ..*window };
    let (input_order, result_order) = (MapOrder::Planes, MapOrder::Planes);
    let shape = DepthwiseShape { batch, channels, input, output, window, input_order, result_order };
    let [gradient_height, gradient_width] = shape.padded_output().padded_size();
    check_memory("depthwise_conv2d: a padded gradient", &[channels, gradient_height, gradient_width])?;
    Ok(shape)
}

struct Depthwise {
    shape: DepthwiseShape,
    relu: bool,
}

impl Weighted for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise-conv2d"
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let DepthwiseShape { batch, channels, output: [height, width], .. } = self.shape;
        let y = depthwise::forward(&self.shape, x, weight, bias, self.relu);
        (y, Shape::from((batch, channels, height, width)))
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let masked = self.relu.then(|| cpu::relu::backward(args.y, args.dy));
        let (x, dy) = (ConvInput::Stored(args.x), masked.as_deref().unwrap_or(args.dy));
        let BackwardArgs { weight, want_dx, want_dw, .. } = args;
        let saved = SavedEpilogue::Nothing;
        let pass = BackwardPass { x, weight, dy, saved, norm: None, want_dx, want_dw, finish_dx: Finish::NOTHING };
        let (gradients, _) = depthwise::backward(&self.shape, &pass);
        Ok(gradients)
    }
}
