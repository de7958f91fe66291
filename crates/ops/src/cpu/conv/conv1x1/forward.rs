//! `y = W · x` on planes, (C_out, C_in) · (C_in, positions).

use super::{images_per_call::images_per_call, product::PlaneProduct};
use crate::cpu::{
    conv::{algorithm::ForwardAlgorithm, shape::ConvShape},
    epilogue::Epilogue,
    micro_kernel::Offsets,
    scratch,
    simd::{BLOCK_WIDTH, dispatch},
};

/// Returns whether this algorithm can compute the convolution.
pub fn supports(s: &ConvShape) -> bool {
    let window = s.window;
    window.kernel == [1, 1] && window.stride == [1, 1] && window.padding == [0, 0] && !s.is_pooled()
}

/// The forward pass.
pub struct Conv1x1Forward {
    s: ConvShape,
    /// (C_out, C_in)
    weight: Vec<f32>,
    /// 0 to C_in.
    channels: Offsets,
}

impl Conv1x1Forward {
    /// Takes weights (C_out, C_in, 1, 1).
    pub fn new(s: &ConvShape, weight: &[f32]) -> Self {
        Self { s: *s, weight: weight.to_vec(), channels: Offsets::new((0..s.in_channels).collect()) }
    }
}

impl ForwardAlgorithm for Conv1x1Forward {
    fn images_per_call(&self) -> usize {
        images_per_call(&self.s)
    }

    fn forward(&self, x: &[f32], bias: Option<&[f32]>, y: &mut [f32], _winners: Option<&mut [u8]>) {
        let Self { s, weight, channels } = self;
        let (positions, relu) = (s.output_plane(), s.epilogue == Epilogue::Relu);
        scratch::with([channels.len() * BLOCK_WIDTH], |[columns]| {
            dispatch(PlaneProduct { positions, channels, weight, x, bias, relu, columns, y });
        });
    }
}
