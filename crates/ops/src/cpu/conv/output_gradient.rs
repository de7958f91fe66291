//! The gradient of a convolution's output, before bias and epilogue, from the gradient of the operator's result.

use std::ops::Range;

use pulp::Simd;

use super::{
    channels_last::{pixels_to_rows, planes_to_rows},
    patch_layout::PatchLayout,
    shape::ConvShape,
};
use crate::cpu::{
    backward_pass::BackwardPass,
    epilogue::SavedEpilogue,
    isa::vectorised,
    map_order::MapOrder,
    relu,
    simd::{BLOCK_WIDTH, CacheAligned, Kernel, dispatch_width, vectors, vectors_mut},
};

/// Computes the gradient of the output of image `n` in the order (block of channels, position, channel of the block), with
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
    let results = dy.len() / s.out_channels;
    let width = layout.block_width;
    // The places without a channel are not written below.
    if !s.out_channels.is_multiple_of(width) {
        blocked.fill(0.);
    }
    if let (Some(norm), MapOrder::Pixels) = (pass.norm, s.result_order) {
        return norm.blocked_gradient(n, dy, width, layout.patch_starts.len(), blocked);
    }
    for (block, rows) in blocked.chunks_exact_mut(layout.patch_starts.len() * width).enumerate() {
        let channels = block * width..((block + 1) * width).min(s.out_channels);
        if let (None, SavedEpilogue::Winners(winners)) = (pass.norm, pass.saved) {
            let winners = &winners[n * s.blocked_result_len() + block * results * BLOCK_WIDTH..];
            let of_results = &mut planes[..results * width];
            // Where there is no channel.
            if channels.len() < width {
                of_results.fill(0.);
            }
            match s.result_order {
                MapOrder::Planes => {
                    planes_to_rows(&dy[channels.start * results..channels.end * results], results, of_results, width);
                }
                MapOrder::Pixels => pixels_to_rows(dy, s.out_channels, channels, of_results, width),
            }
            dispatch_width(width, Unpool { dy: of_results, winners, rows });
            continue;
        }
        match s.result_order {
            MapOrder::Planes => {
                let (first, dy) =
                    (n * s.out_channels + channels.start, &dy[channels.start * results..channels.end * results]);
                let planes = &mut planes[..channels.len() * layout.positions.len()];
                planes_to_rows(of_planes(s, pass, first, dy, planes), layout.positions.len(), rows, width);
            }
            MapOrder::Pixels => {
                pixels_to_rows(dy, s.out_channels, channels.clone(), rows, width);
                if let SavedEpilogue::Result(y) = pass.saved {
                    mask_rows(&y[n * dy_len..][..dy_len], s.out_channels, channels, rows, width);
                }
            }
        }
    }
}

vectorised! {
/// Sets the gradient to zero where the result `y` of ReLU is not positive. Of each of its pixels, the channels of a row count.
fn mask_rows<'a>(y: &'a [f32], pixel: usize, channels: Range<usize>, rows: &'a mut [f32], width: usize) {
    for (row, y) in rows.chunks_exact_mut(width).zip(y.chunks_exact(pixel)) {
        for (value, &y) in row.iter_mut().zip(&y[channels.clone()]) {
            *value = if y <= 0. { 0. } else { *value };
        }
    }
}
}

/// Undoes 2×2 max pooling: of the four rows of each window, each channel's winner gets the gradient and the others zero.
/// Rows after the last window are set to zero.
struct Unpool<'a> {
    /// A row of channels for each window.
    dy: &'a [f32],
    /// In the same order, but [`BLOCK_WIDTH`] for each window.
    winners: &'a [u8],
    /// Overwritten.
    rows: &'a mut [f32],
}

impl Kernel for Unpool<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { dy, winners, rows } = self;
        let (windows, rest) = rows.split_at_mut(4 * dy.len());
        rest.fill(0.);
        let windows = vectors_mut::<S, V>(windows).as_chunks_mut::<4>().0.iter_mut();
        let gradients = vectors::<S, V>(dy).iter().zip(winners.as_chunks::<BLOCK_WIDTH>().0);
        for (window, (dy, places)) in windows.zip(gradients) {
            let mut winners = CacheAligned([0f32; BLOCK_WIDTH]);
            for (winner, &place) in winners.0.iter_mut().zip(places) {
                *winner = f32::from(place);
            }
            let winners = &vectors::<S, V>(&winners.0)[0];
            for (position, row) in window.iter_mut().enumerate() {
                let position = simd.splat_f32s(position as f32);
                for v in 0..V {
                    let wins = simd.equal_f32s(winners[v], position);
                    row[v] = simd.select_f32s(wins, dy[v], simd.splat_f32s(0.));
                }
            }
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
        (Some(norm), _) => {
            let channels = planes.chunks_exact_mut(planes.len() / count).zip(dy.chunks_exact(results));
            for (plane, (gradient, dy)) in (first..).zip(channels) {
                let [image, channel] = [plane / s.out_channels, plane % s.out_channels];
                norm.gradient_of_plane(image, channel, dy, gradient);
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
