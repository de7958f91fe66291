//! The gradient of a convolution's output, before bias and epilogue, from the gradient of the operator's result.

use super::{channels_last::planes_to_rows, patch_layout::PatchLayout, shape::ConvShape};
use crate::cpu::{
    backward_pass::BackwardPass,
    conv_norm,
    epilogue::{NO_WINNER, SavedEpilogue},
    relu,
    simd::BLOCK_WIDTH,
};

/// Computes the gradient of the output of image `n` in the order (block of channels, position, [`BLOCK_WIDTH`]), with
/// zeros where there is no channel. `planes` is scratch for one block of channels.
pub fn blocked(
    s: &ConvShape,
    layout: &PatchLayout,
    pass: &BackwardPass,
    n: usize,
    planes: &mut [f32],
    blocked: &mut [f32],
) {
    let dy_len = pass.dy.len() / s.batch;
    let dy = &pass.dy[n * dy_len..][..dy_len];
    let (positions, results) = (layout.positions.len(), dy.len() / s.out_channels);
    if matches!(pass.saved, SavedEpilogue::Winners(_)) || !s.out_channels.is_multiple_of(BLOCK_WIDTH) {
        blocked.fill(0.);
    }
    let blocks =
        blocked.chunks_exact_mut(layout.patch_starts.len() * BLOCK_WIDTH).zip(dy.chunks(BLOCK_WIDTH * results));
    for (block, (rows, dy)) in blocks.enumerate() {
        let first = n * s.out_channels + block * BLOCK_WIDTH;
        let planes = &mut planes[..dy.len() / results * positions];
        match (pass.norm, pass.saved) {
            (None, SavedEpilogue::Winners(winners)) => {
                let winners = &winners[first * results..][..dy.len()];
                for (i, (&dy, &winner)) in dy.iter().zip(winners).enumerate() {
                    if winner != NO_WINNER {
                        rows[(4 * (i % results) + winner as usize) * BLOCK_WIDTH + i / results] = dy;
                    }
                }
            }
            _ => planes_to_rows(of_planes(s, pass, first, dy, planes), positions, rows),
        }
    }
}

/// Returns the gradient of some planes of the output, of which `first` is the number of the first in the batch and `dy`
/// the gradient of their results: `dy` itself where it is the same, `planes` elsewhere. Pooling is undone only with
/// batch normalisation; without it, [`blocked`] and the sparse algorithm do that.
pub fn of_planes<'a>(
    s: &ConvShape,
    pass: &BackwardPass,
    first: usize,
    dy: &'a [f32],
    planes: &'a mut [f32],
) -> &'a [f32] {
    let count = planes.len() / s.output_plane();
    let results = dy.len() / count;
    match (pass.norm, pass.saved) {
        (Some(norm), saved) => {
            let channels = planes.chunks_exact_mut(planes.len() / count).zip(dy.chunks_exact(results));
            for (plane, (gradient, dy)) in (first..).zip(channels) {
                let [image, channel] = [plane / s.out_channels, plane % s.out_channels];
                conv_norm::gradient_of_plane(norm, &saved, image, channel, dy, gradient);
            }
            planes
        }
        (None, SavedEpilogue::Result(y)) => {
            relu::mask(&y[first * results..], dy, planes);
            planes
        }
        (None, _) => dy,
    }
}
