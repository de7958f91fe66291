//! Undilated convolutions with one group, which have kernels.

use std::sync::OnceLock;

use candle_core::{Context, Result, Shape, Tensor, bail};

use crate::{
    Epilogue, Window, composed,
    cpu::{
        Gradients,
        backward_pass::BackwardPass,
        conv::{self, ConvShape},
        conv_input::ConvInput,
        epilogue::SavedEpilogue,
        fast,
        finish::Finish,
        map_order::MapOrder,
        simd::BLOCK_WIDTH,
    },
    sizes::check_memory,
    weighted::{BackwardArgs, Weighted, apply},
};

/// Convolves and applies the epilogue.
pub(crate) fn conv_dense(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    epilogue: Epilogue,
) -> Result<Tensor> {
    let shape = conv_shape(xs.dims4()?, weight, bias, window, epilogue)?;
    if !fast(&[xs, weight, bias.unwrap_or(weight)]) {
        let ys = composed::conv2d(xs, weight, bias, window)?;
        return match epilogue {
            Epilogue::None => Ok(ys),
            Epilogue::Relu => composed::relu(&ys),
            Epilogue::ReluMaxPool => composed::max_pool2d(&composed::relu(&ys)?, &Window::pool(2)),
        };
    }
    let has_gradient = [Some(xs), Some(weight), bias].into_iter().flatten().any(|t| t.track_op());
    apply(xs, weight, bias, Conv2d::new(shape, has_gradient))
}

/// Returns the sizes of a convolution of an input (N, C_in, H, W), or an error if the tensors do not fit each other.
pub(crate) fn conv_shape(
    (batch, in_channels, height, width): (usize, usize, usize, usize),
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    epilogue: Epilogue,
) -> Result<ConvShape> {
    let out_channels = weight.dim(0)?;
    if weight.elem_count() == 0 || weight.dims()[1..] != [in_channels, window.kernel[0], window.kernel[1]] {
        let (weight, xs) = (weight.dims(), [batch, in_channels, height, width]);
        bail!("conv2d: weights {weight:?} do not fit an input {xs:?} and {window:?}; possible: (C_out, C_in, kh, kw)")
    }
    if let Some(bias) = bias.filter(|b| b.dims() != [out_channels]) {
        bail!("conv2d: a bias {:?} does not fit {out_channels} output channels; possible: (C_out)", bias.dims())
    }
    let input = [height, width];
    let output = window.output_size(input)?;
    if epilogue == Epilogue::ReluMaxPool {
        Window::pool(2).output_size(output)?;
    }
    let [padded_height, padded_width] = window.padded_size(input)?;
    check_memory("conv2d: a padded image", &[in_channels, padded_height, padded_width])?;
    // Kernels hold an image's output in whole blocks, and where each position reads.
    let channels = out_channels.next_multiple_of(BLOCK_WIDTH);
    check_memory("conv2d: the output of an image", &[channels, output[0], output[1]])?;
    check_memory("conv2d: a result", &[batch, out_channels, output[0], output[1]])?;
    let window = window.with_bounded_stride();
    let (input_order, result_order) = (MapOrder::Planes, MapOrder::Planes);
    Ok(ConvShape { batch, in_channels, out_channels, input, output, window, epilogue, input_order, result_order })
}

/// Returns what the backward pass of a convolution needs of its epilogue: its result or the winners of its pooling.
fn saved_epilogue<'a>(epilogue: Epilogue, y: &'a [f32], winners: &'a [u8]) -> SavedEpilogue<'a> {
    match epilogue {
        Epilogue::None => SavedEpilogue::Nothing,
        Epilogue::Relu => SavedEpilogue::Result(y),
        Epilogue::ReluMaxPool => SavedEpilogue::Winners(winners),
    }
}

/// The operator, for a single call.
pub(crate) struct Conv2d {
    shape: ConvShape,
    /// Which position of each pooling window had the maximum; `None` if there will be no backward pass.
    winners: Option<OnceLock<Vec<u8>>>,
}

impl Conv2d {
    pub fn new(shape: ConvShape, has_backward_pass: bool) -> Self {
        Self { shape, winners: has_backward_pass.then(OnceLock::new) }
    }
}

impl Weighted for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let conv::Output { y, winners } = conv::forward(&self.shape, x, weight, bias, self.winners.is_some());
        if let Some(saved) = &self.winners {
            // An operator is created for a single call, so nothing has been saved before.
            let _ = saved.set(winners);
        }
        let [height, width] = self.shape.result();
        (y, Shape::from((self.shape.batch, self.shape.out_channels, height, width)))
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let BackwardArgs { x, weight, y, dy, want_dx, want_dw, .. } = args;
        let winners =
            self.winners.as_ref().and_then(OnceLock::get).context("internal: the operator has saved nothing")?;
        let saved = saved_epilogue(self.shape.epilogue, y, winners);
        let x = ConvInput::Stored(x);
        let pass = BackwardPass { x, weight, dy, saved, norm: None, want_dx, want_dw, finish_dx: Finish::NOTHING };
        let (gradients, _) = conv::backward(&self.shape, &pass);
        Ok(gradients)
    }
}
