//! The forward pass for few channels, plane by plane; see [`crate::cpu::planes`].

use super::{algorithm::ForwardAlgorithm, shape::ConvShape};
use crate::cpu::{conv_input::ConvInput, epilogue::Epilogue, planes::PlaneConv};

/// The forward pass without a change of layout, for epilogues without pooling.
pub struct PlaneWiseForward {
    s: ConvShape,
    conv: PlaneConv,
}

impl PlaneWiseForward {
    /// Takes weights (C_out, C_in, kh, kw).
    pub fn new(s: &ConvShape, weight: &[f32]) -> Self {
        let (channels, relu) = ([s.in_channels, s.out_channels], s.epilogue == Epilogue::Relu);
        Self { s: *s, conv: PlaneConv::new(&s.window, s.input, s.output, channels, weight, relu) }
    }
}

impl ForwardAlgorithm for PlaneWiseForward {
    fn forward(&self, x: ConvInput, bias: Option<&[f32]>, y: &mut [f32], _winners: Option<&mut [u8]>) {
        let images = x.images(self.s.input_len()).zip(y.chunks_exact_mut(self.s.result_len()));
        images.for_each(|(x, y)| x.with(x.len(), |x| self.conv.forward_image(x, bias, y)));
    }
}
