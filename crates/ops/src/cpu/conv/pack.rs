//! Images and weights in the order the kernels read them.

use super::super::isa::vectorised;
use super::super::tile::{ROWS, WIDTH};
use super::super::transpose::{BLOCK, transposed};
use super::geometry::{Geometry, Shape};
use std::ops::Range;

vectorised! {
/// An image (C_in, H, W) into the middle of a padded one (H + 2p, W + 2p, C_in) whose border is zero.
pub fn image<'a>(s: &'a Shape, g: &'a Geometry, x: &'a [f32], padded: &'a mut [f32]) {
    let ([height, width], [top, left], pixel) = (s.input, s.window.padding, s.in_channels);
    padded[..top * g.row].fill(0.);
    padded[(top + height) * g.row..].fill(0.);
    let rows = &mut padded[top * g.row..];
    for row in rows.chunks_exact_mut(g.row).take(height) {
        row[..left * pixel].fill(0.);
        row[(left + width) * pixel..].fill(0.);
    }
    for first in (0..pixel).step_by(WIDTH) {
        for (y, row) in rows.chunks_exact_mut(g.row).take(height).enumerate() {
            let x = &x[(first * height + y) * width..];
            let channels = WIDTH.min(pixel - first);
            turn(x, height * width, &mut row[left * pixel + first..], pixel, [channels, width]);
        }
    }
}
}

vectorised! {
/// The adjoint of [`image`]: the middle of a padded image.
pub fn unpad<'a>(s: &'a Shape, g: &'a Geometry, padded: &'a [f32], x: &'a mut [f32]) {
    let ([height, width], [top, left], pixel) = (s.input, s.window.padding, s.in_channels);
    for first in (0..pixel).step_by(WIDTH) {
        let channels = WIDTH.min(pixel - first);
        for y in 0..height {
            let row = &padded[(top + y) * g.row + left * pixel + first..];
            turn(row, pixel, &mut x[(first * height + y) * width..], height * width, [width, channels]);
        }
    }
}
}

/// Rows of [`WIDTH`] channels, `distance` values apart, to these positions of planes of `len` values.
#[inline(always)]
pub fn to_planes(rows: &[f32], distance: usize, planes: &mut [f32], len: usize, positions: Range<usize>) {
    let channels = planes.len() / len;
    turn(rows, distance, &mut planes[positions.start..], len, [positions.len(), channels]);
}

vectorised! {
/// Up to [`WIDTH`] planes of `len` values to rows of them.
pub fn to_rows<'a>(planes: &'a [f32], len: usize, rows: &'a mut [f32]) {
    turn(planes, len, rows, WIDTH, [planes.len() / len, len]);
}
}

/// A transposition: `to[j·to_row + i] = from[i·from_row + j]` for i and j below `size`.
#[inline(always)]
fn turn(from: &[f32], from_row: usize, to: &mut [f32], to_row: usize, [rows, columns]: [usize; 2]) {
    for first in (0..rows).step_by(BLOCK) {
        let count = BLOCK.min(rows - first);
        let to = to[first..].chunks_mut(to_row).take(columns);
        if count < BLOCK {
            for (j, to) in to.enumerate() {
                for (i, to) in to[..count].iter_mut().enumerate() {
                    *to = from[(first + i) * from_row + j];
                }
            }
            continue;
        }
        let mut lines = [from; BLOCK];
        for (i, line) in lines.iter_mut().enumerate() {
            *line = &from[(first + i) * from_row..][..columns];
        }
        let mut to = to;
        let whole = columns / BLOCK * BLOCK;
        for j in (0..whole).step_by(BLOCK) {
            let mut block = [[0f32; BLOCK]; BLOCK];
            for (row, line) in block.iter_mut().zip(lines) {
                row.copy_from_slice(&line[j..j + BLOCK]);
            }
            for (row, to) in transposed(&block).iter().zip(to.by_ref()) {
                to[..BLOCK].copy_from_slice(row);
            }
        }
        for (j, to) in (whole..).zip(to) {
            for (to, line) in to[..BLOCK].iter_mut().zip(lines) {
                *to = line[j];
            }
        }
    }
}

/// The place of every weight of (C_out, C_in, kh, kw), in order, given as (output channel, input channel, ky, kx).
fn for_each_weight(s: &Shape, mut visit: impl FnMut(usize, usize, usize, usize)) {
    let [kh, kw] = s.window.kernel;
    for output in 0..s.out_channels {
        for input in 0..s.in_channels {
            for ky in 0..kh {
                for kx in 0..kw {
                    visit(output, input, ky, kx);
                }
            }
        }
    }
}

/// Three orders of the weights, each made of pieces of [`WIDTH`].
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// (block of outputs, patch, output): what the forward product reads and the dense gradient of the weights adds up.
    /// The patch is rounded up to a multiple of [`ROWS`].
    OutputsLast,
    /// (piece of a patch row, output, patch): what the dense gradient of the input reads.
    Pieces,
    /// (output, patch): what the sparse gradients read and add up.
    OutputsFirst,
}

impl Order {
    pub fn len(self, s: &Shape, g: &Geometry) -> usize {
        match self {
            Order::OutputsLast => g.blocks * WIDTH * s.patch().next_multiple_of(ROWS),
            Order::Pieces | Order::OutputsFirst => s.out_channels * s.window.kernel[0] * g.segment,
        }
    }

    /// Visits the weights of (C_out, C_in, kh, kw) in their order with the place of each in this one.
    fn for_each(self, s: &Shape, g: &Geometry, mut visit: impl FnMut(usize)) {
        let (row, patch) = (s.window.kernel[1] * s.in_channels, s.patch().next_multiple_of(ROWS));
        for_each_weight(s, |output, input, ky, kx| {
            let i = kx * s.in_channels + input;
            visit(match self {
                Order::OutputsLast => (output / WIDTH * patch + ky * row + i) * WIDTH + output % WIDTH,
                Order::Pieces => ((ky * g.segment + i) / WIDTH * s.out_channels + output) * WIDTH + i % WIDTH,
                Order::OutputsFirst => (output * s.window.kernel[0] + ky) * g.segment + i,
            });
        });
    }

    pub fn pack(self, s: &Shape, g: &Geometry, weight: &[f32]) -> Vec<f32> {
        let mut packed = vec![0f32; self.len(s, g)];
        let mut weight = weight.iter();
        self.for_each(s, g, |place| packed[place] = *weight.next().expect("one value for each weight"));
        packed
    }

    pub fn unpack(self, s: &Shape, g: &Geometry, packed: &[f32]) -> Vec<f32> {
        let mut weight = Vec::with_capacity(s.out_channels * s.patch());
        self.for_each(s, g, |place| weight.push(packed[place]));
        weight
    }
}
