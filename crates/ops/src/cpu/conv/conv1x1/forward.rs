//! `y = W · x` on planes, (C_out, C_in) · (C_in, positions).

use super::{images_per_call::images_per_call, product::PlaneProduct};
use crate::cpu::{
    conv::{algorithm::ForwardAlgorithm, shape::ConvShape},
    conv_input::ConvInput,
    epilogue::Epilogue,
    map_order::MapOrder,
    micro_kernel::Offsets,
    scratch,
    simd::{BLOCK_WIDTH, dispatch},
};

/// Returns whether this algorithm can compute the convolution.
pub fn supports(s: &ConvShape) -> bool {
    s.is_pointwise() && [s.input_order, s.result_order] == [MapOrder::Planes; 2]
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

    fn forward(&self, x: ConvInput, bias: Option<&[f32]>, y: &mut [f32], _winners: Option<&mut [u8]>) {
        let Self { s, weight, channels } = self;
        let (positions, relu) = (s.output_plane(), s.epilogue == Epilogue::Relu);
        scratch::with([channels.len() * BLOCK_WIDTH], |[columns]| {
            x.with(s.input_len(), |x| {
                dispatch(PlaneProduct { positions, channels, weight, x, bias, relu, columns, y });
            });
        });
    }
}
