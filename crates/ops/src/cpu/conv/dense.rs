//! The products over everything; see the table in [`super`].

use super::super::conv_norm::Norm;
use super::super::tile::{Kernel, ROWS, Row, Steps, WIDTH, product, vectors, vectors_mut};
use super::NO_WINNER;
use super::geometry::{Geometry, Shape, Tail};
use pulp::Simd;

/// One image's `y`, with bias and tail.
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
    pub winners: &'a mut [u8],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, image, weight, bias, sums, y, winners } = self;
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
                *rows = product(simd, image, starts, &g.taps, weight);
                for row in rows {
                    for v in 0..V {
                        row[v] = simd.add_f32s(row[v], shift[v]);
                    }
                }
            }
            match s.tail {
                Tail::None => transpose(sums, WIDTH, y, planes),
                Tail::Relu => {
                    for row in rows_of::<S, V>(sums) {
                        *row = relu(simd, *row);
                    }
                    transpose(sums, WIDTH, y, planes);
                }
                Tail::ReluMaxPool => {
                    max_of_four::<S, V>(simd, vectors_mut::<S, V>(sums));
                    transpose(sums, 4 * WIDTH, y, planes);
                    let winners = winners[block * WIDTH * planes..].chunks_mut(planes).take(WIDTH);
                    for (c, plane) in winners.enumerate() {
                        let found = sums[WIDTH + c..].iter().step_by(4 * WIDTH);
                        plane.iter_mut().zip(found).for_each(|(winner, &v)| *winner = v as u8);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn rows_of<S: Simd, const V: usize>(sums: &mut [f32]) -> impl Iterator<Item = &mut Row<S, V>> {
    vectors_mut::<S, V>(sums).iter_mut()
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

/// Rows of [`WIDTH`] channels, `distance` values apart, to planes of a channel each.
#[inline(always)]
fn transpose(rows: &[f32], distance: usize, planes: &mut [f32], len: usize) {
    for (c, plane) in planes.chunks_exact_mut(len).enumerate() {
        plane.iter_mut().zip(rows[c..].iter().step_by(distance)).for_each(|(y, row)| *y = *row);
    }
}

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
        let Self { s, g, image, dy, dw, db, dx } = self;
        let dw_block = dw.len() / g.blocks;
        let blocks = dy.chunks_exact(g.positions.len() * WIDTH).zip(dw.chunks_exact_mut(dw_block));
        for ((dy, dw), db) in blocks.zip(db.chunks_mut(WIDTH)) {
            let dw = vectors_mut::<S, V>(dw).as_chunks_mut::<ROWS>().0;
            for (dw, taps) in dw.iter_mut().zip(g.tap_rows.as_chunks().0) {
                let block = product::<S, V>(simd, image, taps, &g.outputs, dy);
                for (dw, row) in dw.iter_mut().zip(block) {
                    *dw = add::<S, V>(simd, *dw, row);
                }
            }
            let mut sums = [0f32; WIDTH];
            for row in dy.as_chunks::<WIDTH>().0.iter().take(g.outputs.len()) {
                sums.iter_mut().zip(row).for_each(|(sum, dy)| *sum += dy);
            }
            db.iter_mut().zip(sums).for_each(|(db, sum)| *db += sum);
        }
        let Some(Dx { weight, channels, dx }) = dx else { return };
        for (piece, weight) in weight.chunks_exact(s.out_channels * WIDTH).enumerate() {
            let place = piece * WIDTH / g.segment * g.row + piece * WIDTH % g.segment;
            for (i, starts) in g.positions.as_chunks::<ROWS>().0.iter().enumerate() {
                let rows = std::array::from_fn(|r| (i * ROWS + r) * WIDTH);
                let block = product::<S, V>(simd, dy, &rows, channels, weight);
                for (start, row) in starts.iter().zip(block).take(g.outputs.len() - i * ROWS) {
                    let dx = &mut vectors_mut::<S, V>(&mut dx[start + place..][..WIDTH])[0];
                    *dx = add::<S, V>(simd, *dx, row);
                }
            }
        }
    }
}

#[inline(always)]
fn add<S: Simd, const V: usize>(simd: S, a: Row<S, V>, b: Row<S, V>) -> Row<S, V> {
    std::array::from_fn(|v| simd.add_f32s(a[v], b[v]))
}

/// The gradient of the sums of image `n` in blocks, from that of its result. `plane` is scratch for one channel.
pub fn gradient_of_sums(
    s: &Shape,
    g: &Geometry,
    saved: Saved,
    n: usize,
    dy: &[f32],
    plane: &mut [f32],
    blocked: &mut [f32],
) {
    let (len, planes) = (g.positions.len(), dy.len() / s.out_channels);
    if matches!(saved, Saved::Winners(_)) || s.out_channels % WIDTH != 0 {
        blocked.fill(0.);
    }
    for (channel, dy) in dy.chunks_exact(planes).enumerate() {
        let rows = &mut blocked[channel / WIDTH * len * WIDTH + channel % WIDTH..];
        let start = (n * s.out_channels + channel) * planes;
        match saved {
            Saved::Nothing => rows.iter_mut().step_by(WIDTH).zip(dy).for_each(|(row, dy)| *row = *dy),
            Saved::Result(y) => {
                let rows = rows.iter_mut().step_by(WIDTH);
                rows.zip(dy).zip(&y[start..]).for_each(|((row, dy), y)| *row = if *y > 0. { *dy } else { 0. });
            }
            Saved::Winners(winners) => {
                for (i, (&dy, &winner)) in dy.iter().zip(&winners[start..]).enumerate() {
                    if winner != NO_WINNER {
                        rows[(4 * i + winner as usize) * WIDTH] = dy;
                    }
                }
            }
            Saved::Norm(norm) => {
                pulp::Arch::new().dispatch(|| norm.gradient(n, channel, dy, plane));
                rows.iter_mut().step_by(WIDTH).zip(&*plane).for_each(|(row, dy)| *row = *dy);
            }
        }
    }
}

/// What the backward pass knows about what followed the sums.
#[derive(Clone, Copy)]
pub enum Saved<'a> {
    Nothing,
    /// With ReLU: its result.
    Result(&'a [f32]),
    /// With pooling.
    Winners(&'a [u8]),
    /// With batch normalisation.
    Norm(Norm<'a>),
}
