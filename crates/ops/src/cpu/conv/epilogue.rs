//! What happens to the sums of a convolution before they are written, and the way back.

use super::super::conv_norm::{self, Norm};
use super::super::relu;
use super::super::tile::{Row, WIDTH, vectors, vectors_mut};
use super::NO_WINNER;
use super::geometry::{Epilogue, Geometry, Shape};
use super::pack::{to_planes, to_rows};
use pulp::Simd;

/// Where an image's results go.
pub struct Target<'a> {
    /// (C_out, h, w)
    pub y: &'a mut [f32],
    /// With pooling, where they are wanted.
    pub winners: Option<&'a mut [u8]>,
}

impl Target<'_> {
    /// Adds the bias to the sums of a block of output channels, a row for each position from `first` on, and writes what
    /// the epilogue makes of them.
    #[inline(always)]
    pub fn write<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        s: &Shape,
        block: usize,
        bias: Option<&[f32]>,
        first: usize,
        sums: &mut [f32],
    ) {
        let planes = s.result().iter().product::<usize>();
        let channels = block * WIDTH..((block + 1) * WIDTH).min(s.out_channels);
        // What changes no sum, not even -0.
        let mut shift = [-0f32; WIDTH];
        if let Some(bias) = bias {
            shift[..channels.len()].copy_from_slice(&bias[channels.clone()]);
        }
        let (shift, rows) = (vectors::<S, V>(&shift)[0], vectors_mut::<S, V>(sums));
        match s.epilogue {
            Epilogue::None if bias.is_none() => {}
            Epilogue::None => {
                for row in rows {
                    *row = add(simd, *row, shift);
                }
            }
            Epilogue::Relu => {
                for row in rows {
                    *row = relu(simd, add(simd, *row, shift));
                }
            }
            Epilogue::ReluMaxPool => max_of_four::<S, V>(simd, rows, shift),
        }
        let of_result = if s.epilogue == Epilogue::ReluMaxPool { 4 } else { 1 };
        let results = first / of_result..planes.min((first + sums.len() / WIDTH) / of_result);
        let y = &mut self.y[channels.start * planes..channels.end * planes];
        to_planes(sums, of_result * WIDTH, y, planes, results.clone());
        let Some(winners) = &mut self.winners else { return };
        let of_block = &mut winners[channels.start * planes..channels.end * planes];
        for (c, plane) in of_block.chunks_mut(planes).enumerate() {
            let found = sums[WIDTH + c..].iter().step_by(4 * WIDTH);
            plane[results.clone()].iter_mut().zip(found).for_each(|(winner, &v)| *winner = v as u8);
        }
    }
}

#[inline(always)]
fn add<S: Simd, const V: usize>(simd: S, a: Row<S, V>, b: Row<S, V>) -> Row<S, V> {
    std::array::from_fn(|v| simd.add_f32s(a[v], b[v]))
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
pub fn relu<S: Simd, const V: usize>(simd: S, row: Row<S, V>) -> Row<S, V> {
    let zero = simd.splat_f32s(0.);
    row.map(|x| simd.select_f32s(simd.less_than_f32s(x, zero), zero, x))
}

/// Replaces the first of every four rows by ReLU of the maximum after a shift, the second by which of them it was (the
/// first in order; NaN wins).
#[inline(always)]
fn max_of_four<S: Simd, const V: usize>(simd: S, rows: &mut [Row<S, V>], shift: Row<S, V>) {
    for four in rows.as_chunks_mut::<4>().0 {
        for v in 0..V {
            let (mut best, mut winner) = (simd.add_f32s(four[0][v], shift[v]), simd.splat_f32s(0.));
            for (i, row) in four.iter().enumerate().skip(1) {
                let x = simd.add_f32s(row[v], shift[v]);
                let is_nan = simd.not_m32s(simd.equal_f32s(x, x));
                let wins = simd.or_m32s(simd.greater_than_f32s(x, best), is_nan);
                best = simd.select_f32s(wins, x, best);
                winner = simd.select_f32s(wins, simd.splat_f32s(i as f32), winner);
            }
            let zero = simd.splat_f32s(0.);
            let positive = simd.greater_than_f32s(best, zero);
            four[0][v] = simd.select_f32s(simd.less_than_f32s(best, zero), zero, best);
            four[1][v] = simd.select_f32s(positive, winner, simd.splat_f32s(NO_WINNER as f32));
        }
    }
}

/// The gradient of the sums of image `n` in blocks, from that of its result. `planes` is scratch for one block.
#[allow(clippy::too_many_arguments)]
pub fn gradient_of_sums(
    s: &Shape,
    g: &Geometry,
    saved: Saved,
    norm: Option<&Norm>,
    n: usize,
    dy: &[f32],
    planes: &mut [f32],
    blocked: &mut [f32],
) {
    let (outputs, results) = (g.outputs.len(), dy.len() / s.out_channels);
    if matches!(saved, Saved::Winners(_)) || !s.out_channels.is_multiple_of(WIDTH) {
        blocked.fill(0.);
    }
    let blocks = blocked.chunks_exact_mut(g.positions.len() * WIDTH).zip(dy.chunks(WIDTH * results));
    for (block, (rows, dy)) in blocks.enumerate() {
        let first = n * s.out_channels + block * WIDTH;
        let planes = &mut planes[..dy.len() / results * outputs];
        match (norm, saved) {
            (None, Saved::Winners(winners)) => {
                let winners = &winners[first * results..][..dy.len()];
                for (i, (&dy, &winner)) in dy.iter().zip(winners).enumerate() {
                    if winner != NO_WINNER {
                        rows[(4 * (i % results) + winner as usize) * WIDTH + i / results] = dy;
                    }
                }
            }
            _ => to_rows(gradient_of_planes(s, saved, norm, first, dy, planes), outputs, rows),
        }
    }
}

/// The gradient of the sums of some planes, `first` the first of them in the batch, from that of their results: `dy` or
/// in `planes`. Without batch normalisation there is no pooling.
pub fn gradient_of_planes<'a>(
    s: &Shape,
    saved: Saved,
    norm: Option<&Norm>,
    first: usize,
    dy: &'a [f32],
    planes: &'a mut [f32],
) -> &'a [f32] {
    let count = planes.len() / (s.output[0] * s.output[1]);
    let results = dy.len() / count;
    match (norm, saved) {
        (Some(norm), _) => {
            let channels = planes.chunks_exact_mut(planes.len() / count).zip(dy.chunks_exact(results));
            for (plane, (gradient, dy)) in (first..).zip(channels) {
                let [image, channel] = [plane / s.out_channels, plane % s.out_channels];
                conv_norm::gradient(norm, &saved, image, channel, dy, gradient);
            }
            planes
        }
        (None, Saved::Result(y)) => {
            relu::mask(&y[first * results..], dy, planes);
            planes
        }
        (None, _) => dy,
    }
}

/// What the backward pass knows about the epilogue.
#[derive(Clone, Copy)]
pub enum Saved<'a> {
    Nothing,
    /// With ReLU: its result.
    Result(&'a [f32]),
    /// With pooling.
    Winners(&'a [u8]),
}
