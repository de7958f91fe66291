//! The products over everything; see the table in [`super`].

use super::super::conv_norm::{self, Norm};
use super::super::relu;
use super::super::tile::{Kernel, ROWS, Row, Steps, WIDTH, product, vectors, vectors_mut};
use super::NO_WINNER;
use super::geometry::{Epilogue, Geometry, Shape};
use super::pack::{to_planes, to_rows};
use pulp::Simd;

/// One image's `y`, with bias and epilogue.
pub struct Forward<'a> {
    pub s: &'a Shape,
    pub g: &'a Geometry,
    /// Padded, channels last.
    pub image: &'a [f32],
    /// In the order [`super::Order::OutputsLast`].
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    /// Scratch for one block of output channels: positions × [`WIDTH`].
    pub sums: &'a mut [f32],
    pub y: &'a mut [f32],
    /// With pooling, where they are wanted.
    pub winners: Option<&'a mut [u8]>,
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, image, weight, bias, sums, y, mut winners } = self;
        let planes = s.result().iter().product::<usize>();
        let block_len = weight.len() / g.blocks;
        for (block, y) in y.chunks_mut(WIDTH * planes).enumerate() {
            let weight = &weight[block * block_len..][..s.patch() * WIDTH];
            let mut shift = [0f32; WIDTH];
            if let Some(bias) = bias {
                let bias = &bias[block * WIDTH..];
                let channels = bias.len().min(WIDTH);
                shift[..channels].copy_from_slice(&bias[..channels]);
            }
            let shift = vectors::<S, V>(&shift)[0];
            let rows = vectors_mut::<S, V>(sums);
            for (rows, starts) in rows.as_chunks_mut().0.iter_mut().zip(g.positions.as_chunks().0) {
                *rows = product(simd, image, starts, g.taps.all(), weight);
                for row in rows {
                    for v in 0..V {
                        row[v] = simd.add_f32s(row[v], shift[v]);
                    }
                }
            }
            match s.epilogue {
                Epilogue::None => to_planes(sums, WIDTH, y, planes),
                Epilogue::Relu => {
                    for row in vectors_mut::<S, V>(sums) {
                        *row = relu(simd, *row);
                    }
                    to_planes(sums, WIDTH, y, planes);
                }
                Epilogue::ReluMaxPool => {
                    max_of_four::<S, V>(simd, vectors_mut::<S, V>(sums));
                    to_planes(sums, 4 * WIDTH, y, planes);
                    let Some(winners) = winners.as_deref_mut() else { continue };
                    let of_block = winners[block * WIDTH * planes..].chunks_mut(planes).take(WIDTH);
                    for (c, plane) in of_block.enumerate() {
                        let found = sums[WIDTH + c..].iter().step_by(4 * WIDTH);
                        plane.iter_mut().zip(found).for_each(|(winner, &v)| *winner = v as u8);
                    }
                }
            }
        }
    }
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
fn relu<S: Simd, const V: usize>(simd: S, row: Row<S, V>) -> Row<S, V> {
    let zero = simd.splat_f32s(0.);
    row.map(|x| simd.select_f32s(simd.less_than_f32s(x, zero), zero, x))
}

/// Replaces the first of every four rows by ReLU of the maximum, the second by which of them it was (the first in
/// order; NaN wins).
#[inline(always)]
fn max_of_four<S: Simd, const V: usize>(simd: S, rows: &mut [Row<S, V>]) {
    for four in rows.as_chunks_mut::<4>().0 {
        for v in 0..V {
            let (mut best, mut winner) = (four[0][v], simd.splat_f32s(0.));
            for (i, row) in four.iter().enumerate().skip(1) {
                let x = row[v];
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

/// Positions that the backward pass goes through at a time, so that what it reads and adds to for them stays in the
/// first-level cache; a multiple of [`ROWS`].
const CHUNK: usize = 40 * ROWS;

/// One image's part of dW and db, and its dx.
pub struct Backward<'a> {
    pub s: &'a Shape,
    pub g: &'a Geometry,
    pub image: &'a [f32],
    /// Gradient of the sums: (block, position, [`WIDTH`]), zero where there is no channel.
    pub dy: &'a [f32],
    /// Added to; in the order [`super::Order::OutputsLast`].
    pub dw: &'a mut [f32],
    /// Added to.
    pub db: &'a mut [f32],
    pub dx: Option<Dx<'a>>,
}

pub struct Dx<'a> {
    /// In the order [`super::Order::Pieces`].
    pub weight: &'a [f32],
    /// Where an output channel lies in `dy`, from the start of a position.
    pub channels: &'a Steps,
    /// Padded, channels last; added to.
    pub dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, image, dy, dw, db, mut dx } = self;
        let (len, outputs) = (g.positions.len(), g.outputs.len());
        for start in (0..outputs).step_by(CHUNK) {
            let chunk = start..(start + CHUNK).min(outputs);
            let dw_block = dw.len() / g.blocks;
            let blocks = dy.chunks_exact(len * WIDTH).zip(dw.chunks_exact_mut(dw_block)).zip(db.chunks_mut(WIDTH));
            for ((dy, dw), db) in blocks {
                let dy = &dy[start * WIDTH..chunk.end * WIDTH];
                let dw = vectors_mut::<S, V>(dw).as_chunks_mut::<ROWS>().0;
                for (dw, taps) in dw.iter_mut().zip(g.tap_rows.as_chunks().0) {
                    let block = product::<S, V>(simd, image, taps, g.outputs.part(chunk.clone()), dy);
                    for (dw, row) in dw.iter_mut().zip(block) {
                        *dw = add::<S, V>(simd, *dw, row);
                    }
                }
                let mut sums = [0f32; WIDTH];
                for row in dy.as_chunks::<WIDTH>().0 {
                    sums.iter_mut().zip(row).for_each(|(sum, dy)| *sum += dy);
                }
                db.iter_mut().zip(sums).for_each(|(db, sum)| *db += sum);
            }
            let Some(Dx { weight, channels, ref mut dx }) = dx else { continue };
            for (piece, weight) in weight.chunks_exact(s.out_channels * WIDTH).enumerate() {
                let place = piece * WIDTH / g.segment * g.row + piece * WIDTH % g.segment;
                for first in chunk.clone().step_by(ROWS) {
                    let rows = std::array::from_fn(|r| (first + r) * WIDTH);
                    let block = product::<S, V>(simd, dy, &rows, channels.all(), weight);
                    for (start, row) in g.positions[first..chunk.end].iter().zip(block) {
                        let dx = &mut vectors_mut::<S, V>(&mut dx[start + place..][..WIDTH])[0];
                        *dx = add::<S, V>(simd, *dx, row);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add<S: Simd, const V: usize>(simd: S, a: Row<S, V>, b: Row<S, V>) -> Row<S, V> {
    std::array::from_fn(|v| simd.add_f32s(a[v], b[v]))
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
        let of_block = first * results..first * results + dy.len();
        let planes = &mut planes[..dy.len() / results * outputs];
        if let Some(norm) = norm {
            let channels = planes.chunks_exact_mut(outputs).zip(dy.chunks_exact(results));
            for (c, (plane, dy)) in channels.enumerate() {
                conv_norm::gradient(norm, &saved, n, block * WIDTH + c, dy, plane);
            }
            to_rows(planes, outputs, rows);
            continue;
        }
        match saved {
            Saved::Nothing => to_rows(dy, outputs, rows),
            Saved::Result(y) => {
                relu::mask(&y[of_block], dy, planes);
                to_rows(planes, outputs, rows);
            }
            Saved::Winners(winners) => {
                for (i, (&dy, &winner)) in dy.iter().zip(&winners[of_block]).enumerate() {
                    if winner != NO_WINNER {
                        rows[(4 * (i % results) + winner as usize) * WIDTH + i / results] = dy;
                    }
                }
            }
        }
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
