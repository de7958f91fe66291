//! `dx = Wᵀ · dy` on planes as they are, and `dW = x · dyᵀ` as a direct product, for which the planes of dy are copied to
//! rows of [`BLOCK_WIDTH`] channels.

use std::ops::Range;

use super::{images_per_call::images_per_call, product::PlaneProduct};
use crate::cpu::{
    backward_pass::BackwardPass,
    conv::{
        algorithm::BackwardAlgorithm, channels_last::planes_to_rows, direct::DirectBackwardKernel,
        input_weights::InputWeights, output_gradient, patch_layout::PatchLayout, shape::ConvShape,
        weight_order::WeightOrder,
    },
    image_groups::GroupGradients,
    micro_kernel::Offsets,
    scratch,
    simd::{BLOCK_WIDTH, dispatch},
    transpose::transpose_matrix,
};

/// The backward pass.
pub struct Conv1x1Backward {
    s: ConvShape,
    layout: PatchLayout,
    /// For the gradient of the input, with the weights as (C_in, C_out).
    input: Option<InputWeights>,
}

impl Conv1x1Backward {
    /// Takes weights (C_out, C_in, 1, 1) if the gradient of the input is wanted.
    pub fn new(s: &ConvShape, weight: Option<&[f32]>) -> Self {
        let input = weight.map(|weight| {
            let mut transposed = vec![0.; weight.len()];
            transpose_matrix(weight, &mut transposed, [s.out_channels, s.in_channels]);
            InputWeights { weight: transposed, channels: Offsets::new((0..s.out_channels).collect()) }
        });
        Self { s: *s, layout: PatchLayout::of_planes(s), input }
    }
}

impl BackwardAlgorithm for Conv1x1Backward {
    fn weight_gradient_len(&self) -> usize {
        WeightOrder::OutputBlocks.len(&self.s, &self.layout)
    }

    fn add_gradients(&self, pass: &BackwardPass, images: Range<usize>, gradients: GroupGradients) {
        let Self { s, layout, input } = self;
        let GroupGradients { weight: mut dw, bias: db, x: mut dx, image_sums } = gradients;
        let (positions, dy_len, per_call) = (s.output_plane(), pass.dy.len() / s.batch, images_per_call(s));
        let output_len = s.out_channels * positions;
        for first in images.clone().step_by(per_call) {
            let call = first..(first + per_call).min(images.end);
            let lens = [call.len() * output_len, layout.blocked_len(), s.out_channels * BLOCK_WIDTH];
            scratch::with(lens, |[planes, rows, columns]| {
                let dy = &pass.dy[call.start * dy_len..call.end * dy_len];
                let planes = output_gradient::of_planes(s, pass, first * s.out_channels, dy, planes);
                if !s.out_channels.is_multiple_of(BLOCK_WIDTH) {
                    rows.fill(0.);
                }
                let mut add = |planes: &[f32], dw: Option<(&[f32], &mut [f32])>| {
                    let blocks = rows.chunks_exact_mut(layout.patch_starts.len() * BLOCK_WIDTH);
                    let planes = planes.chunks(BLOCK_WIDTH * positions);
                    blocks.zip(planes).for_each(|(rows, planes)| planes_to_rows(planes, positions, rows, BLOCK_WIDTH));
                    dispatch(DirectBackwardKernel { s, layout, dy: rows, dw, db, dx: None });
                };
                let planes_of_images = planes.chunks_exact(output_len);
                match dw.as_deref_mut() {
                    Some(dw) => {
                        pass.x.part(call.start * s.input_len()..call.end * s.input_len()).with(s.input_len(), |x| {
                            let images = x.chunks_exact(s.input_len()).zip(planes_of_images);
                            images.for_each(|(image, planes)| add(planes, Some((image, &mut *dw))));
                        })
                    }
                    None => planes_of_images.for_each(|planes| add(planes, None)),
                }
                if let (Some(dx), Some(InputWeights { weight, channels })) = (&mut dx, input) {
                    let dx = dx.take_zeroed(call.len() * s.input_len());
                    let (x, bias, relu, y) = (planes, None, false, &mut *dx);
                    dispatch(PlaneProduct { positions, channels, weight, x, bias, relu, columns, y });
                    let image_sums = &mut image_sums[(first - images.start) * pass.finish_dx.sums..];
                    pass.finish_dx.run(first, call.len(), dx, image_sums);
                }
            });
        }
    }

    fn weight_gradient(&self, accumulated: &[f32]) -> Vec<f32> {
        WeightOrder::OutputBlocks.unpack(&self.s, &self.layout, accumulated)
    }
}
