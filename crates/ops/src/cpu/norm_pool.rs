//! 2×2 max pooling of a normalised feature map, in either order.

use pulp::Simd;

use super::{
    epilogue::{NO_WINNER, relu_max_of_four, store_winners},
    isa::vectorised,
    map_order::MapOrder,
    pixels::PerChannel,
    simd::{BLOCK_WIDTH, CacheAligned, Kernel, dispatch},
};

/// Computes ReLU and 2×2 max pooling of `x·scale + shift` for one map. The first of equal values wins; NaN wins over any value
/// before it.
pub fn scale_relu_max_pool(x: &[f32], size: [usize; 2], affine: &PerChannel<2>, y: &mut [f32], winners: &mut [u8]) {
    match affine.order() {
        MapOrder::Pixels => dispatch(PoolPixels { x, width: size[1], affine, y, winners }),
        MapOrder::Planes => {
            let (plane, pooled) = (size[0] * size[1], (size[0] / 2) * (size[1] / 2));
            let planes = y.chunks_exact_mut(pooled).zip(winners.chunks_exact_mut(pooled));
            for (channel, ((y, winners), x)) in planes.zip(x.chunks_exact(plane)).enumerate() {
                pool_plane(x, size[1], affine.of_channel(channel), y, winners);
            }
        }
    }
}

vectorised! {
/// Computes [`scale_relu_max_pool`] for one plane.
fn pool_plane<'a>(
    x: &'a [f32],
    width: usize,
    affine: [f32; 2],
    y: &'a mut [f32],
    winners: &'a mut [u8],
) {
    let [scale, shift] = affine;
    let rows = y.chunks_exact_mut(width / 2).zip(winners.chunks_exact_mut(width / 2));
    for ((y, winners), x) in rows.zip(x.chunks_exact(2 * width)) {
        let (top, bottom) = x.split_at(width);
        let pairs = top.chunks_exact(2).zip(bottom.chunks_exact(2));
        for ((y, winner), (top, bottom)) in y.iter_mut().zip(winners).zip(pairs) {
            let values = [top[0], top[1], bottom[0], bottom[1]].map(|x| x * scale + shift);
            let (mut best, mut position) = (values[0], 0);
            for (i, &v) in values.iter().enumerate().skip(1) {
                let wins = (v > best) | v.is_nan();
                best = if wins { v } else { best };
                position = if wins { i as u8 } else { position };
            }
            *y = if best < 0. { 0. } else { best };
            *winner = if best <= 0. { NO_WINNER } else { position };
        }
    }
}
}

/// Computes [`scale_relu_max_pool`] for a channels-last map.
struct PoolPixels<'a> {
    x: &'a [f32],
    width: usize,
    affine: &'a PerChannel<2>,
    y: &'a mut [f32],
    winners: &'a mut [u8],
}

impl Kernel for PoolPixels<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, width, affine, y, winners } = self;
        let channels = affine.channels();
        let row = width / 2 * channels;
        let [scale, shift] = affine.rows();
        let rows = y.chunks_exact_mut(row).zip(winners.chunks_exact_mut(row));
        for ((y, winners), x) in rows.zip(x.chunks_exact(2 * width * channels)) {
            let windows = y.chunks_exact_mut(channels).zip(winners.chunks_exact_mut(channels));
            for (i, (y, winners)) in windows.enumerate() {
                let pixels = window(x, width, channels, i);
                for first in (0..channels).step_by(S::F32_LANES) {
                    let lanes = first..(first + S::F32_LANES).min(channels);
                    let scale = simd.partial_load_f32s(&scale[lanes.clone()]);
                    let shift = simd.partial_load_f32s(&shift[lanes.clone()]);
                    let mut values = [shift; 4];
                    for (value, pixel) in values.iter_mut().zip(pixels) {
                        let x = simd.partial_load_f32s(&pixel[lanes.clone()]);
                        *value = simd.add_f32s(simd.mul_f32s(x, scale), shift);
                    }
                    let [best, winner] = relu_max_of_four(simd, values);
                    simd.partial_store_f32s(&mut y[lanes.clone()], best);
                    let mut of_lanes = CacheAligned([0f32; BLOCK_WIDTH]);
                    S::as_mut_simd_f32s(&mut of_lanes.0).0[0] = winner;
                    store_winners(&of_lanes.0, &mut winners[lanes]);
                }
            }
        }
    }
}

/// Returns the four pixels of a pooling window of two rows.
#[inline(always)]
fn window(rows: &[f32], width: usize, channels: usize, window: usize) -> [&[f32]; 4] {
    let (top, bottom) = rows.split_at(width * channels);
    let (top, bottom) = (&top[2 * window * channels..], &bottom[2 * window * channels..]);
    [&top[..channels], &top[channels..][..channels], &bottom[..channels], &bottom[channels..][..channels]]
}

/// Undoes ReLU and 2×2 max pooling of one plane of `width` columns: the winner of each window gets its gradient.
pub fn unpool_plane(winners: &[u8], dy: &[f32], width: usize, out: &mut [f32]) {
    out.fill(0.);
    let rows = dy.chunks_exact(width / 2).zip(winners.chunks_exact(width / 2));
    for ((dy, winners), out) in rows.zip(out.chunks_exact_mut(2 * width)) {
        for (i, (&dy, &winner)) in dy.iter().zip(winners).enumerate() {
            let position = (winner as usize / 2 % 2) * width + 2 * i + winner as usize % 2;
            out[position] = if winner == NO_WINNER { out[position] } else { dy };
        }
    }
}

vectorised! {
/// Does the same for a channels-last map, whose size is the numbers of columns and of channels.
pub fn unpool_pixels<'a>(winners: &'a [u8], dy: &'a [f32], size: [usize; 2], out: &'a mut [f32]) {
    let [width, channels] = size;
    let row = width / 2 * channels;
    let rows = dy.chunks_exact(row).zip(winners.chunks_exact(row));
    let mut out = out.chunks_exact_mut(2 * width * channels);
    for ((dy, winners), out) in rows.zip(out.by_ref()) {
        let windows = dy.chunks_exact(channels).zip(winners.chunks_exact(channels));
        for (i, (dy, winners)) in windows.enumerate() {
            for position in 0..4u8 {
                let start = usize::from(position / 2) * width * channels + (2 * i + usize::from(position % 2)) * channels;
                for ((out, &dy), &winner) in out[start..][..channels].iter_mut().zip(dy).zip(winners) {
                    *out = if winner == position { dy } else { 0. };
                }
            }
        }
        if !width.is_multiple_of(2) {
            out.chunks_exact_mut(width * channels).for_each(|row| row[(width - 1) * channels..].fill(0.));
        }
    }
    out.into_remainder().fill(0.);
}
}
