//! The products over everything; see the table in [`super`].

use super::super::tile::{Kernel, ROWS, Row, Steps, WIDTH, product, vectors_mut};
use super::epilogue::Target;
use super::geometry::{Geometry, Shape};
use pulp::Simd;

/// Positions that the forward pass goes through at a time, so that their sums are in the first-level cache when they are
/// written; a multiple of [`ROWS`] and of the four that a pooling makes one of.
pub const AT_ONCE: usize = 16 * ROWS;

/// One image's `y`, with bias and epilogue.
pub struct Forward<'a> {
    pub s: &'a Shape,
    pub g: &'a Geometry,
    /// Padded, channels last.
    pub image: &'a [f32],
    /// In the order [`super::Order::OutputsLast`].
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    /// Scratch for [`AT_ONCE`] positions of one block of output channels, a row of [`WIDTH`] for each.
    pub sums: &'a mut [f32],
    pub target: Target<'a>,
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, image, weight, bias, sums, mut target } = self;
        for (block, weight) in weight.chunks_exact(weight.len() / g.blocks).enumerate() {
            let weight = &weight[..s.patch() * WIDTH];
            for (i, positions) in g.positions.chunks(AT_ONCE).enumerate() {
                let sums = &mut sums[..positions.len() * WIDTH];
                let rows = vectors_mut::<S, V>(sums).as_chunks_mut().0;
                for (rows, starts) in rows.iter_mut().zip(positions.as_chunks().0) {
                    *rows = product(simd, image, starts, g.taps.all(), weight);
                }
                target.write::<S, V>(simd, s, block, bias, i * AT_ONCE, sums);
            }
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
