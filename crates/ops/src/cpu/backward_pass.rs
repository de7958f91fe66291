use super::{conv_input::ConvInput, conv_norm::SavedNorm, epilogue::SavedEpilogue, finish::Finish};

/// The arguments of the backward pass of a convolution, whether dense or depthwise.
#[derive(Clone, Copy)]
pub struct BackwardPass<'a> {
    /// The convolution's input, N images in the order of its shape.
    pub x: ConvInput<'a>,
    /// The weights, (C_out, C_in, kh, kw); (C, 1, kh, kw) of a depthwise convolution.
    pub weight: &'a [f32],
    /// The gradient of the operator's result, after the epilogue and, with `norm`, after batch normalisation.
    pub dy: &'a [f32],
    /// The values that the forward pass saved of an epilogue that follows directly.
    pub saved: SavedEpilogue<'a>,
    /// The values that the forward pass saved of the batch normalisation, if the convolution's output was normalised.
    pub norm: Option<&'a SavedNorm<'a>>,
    /// True if the input needs a gradient.
    pub want_dx: bool,
    /// True if the weights need a gradient.
    pub want_dw: bool,
    /// The work on each image of dx right after it is written.
    pub finish_dx: Finish<'a>,
}
