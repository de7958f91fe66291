//! Images and weights in the order the kernels read them.

use super::super::tile::{ROWS, WIDTH};
use super::geometry::{Geometry, Shape};

/// An image (C_in, H, W) into the middle of a padded one (H + 2p, W + 2p, C_in) whose border is zero.
pub fn image(s: &Shape, g: &Geometry, x: &[f32], padded: &mut [f32]) {
    let ([height, width], [top, left], channels) = (s.input, s.window.padding, s.in_channels);
    let (first, len) = (left * channels, width * channels);
    for (y, row) in padded.chunks_mut(g.row).enumerate() {
        let Some(y) = y.checked_sub(top).filter(|&y| y < height) else {
            row.fill(0.);
            continue;
        };
        row[..first].fill(0.);
        row[first + len..].fill(0.);
        for channel in 0..channels {
            let pixels = &x[(channel * height + y) * width..][..width];
            row[first + channel..].iter_mut().step_by(channels).zip(pixels).for_each(|(p, x)| *p = *x);
        }
    }
}

/// The adjoint of [`image`]: the middle of a padded image.
pub fn unpad(s: &Shape, g: &Geometry, padded: &[f32], x: &mut [f32]) {
    let ([height, width], [top, left], channels) = (s.input, s.window.padding, s.in_channels);
    for y in 0..height {
        let row = &padded[(y + top) * g.row + left * channels..];
        for channel in 0..channels {
            let pixels = x[(channel * height + y) * width..][..width].iter_mut();
            pixels.zip(row[channel..].iter().step_by(channels)).for_each(|(x, p)| *x = *p);
        }
    }
}

/// Positions that are turned over at a time: their rows stay in the first-level cache for all channels.
const CHUNK: usize = 64;

/// Rows of [`WIDTH`] channels, `distance` values apart, to planes of `len` values.
#[inline(always)]
pub fn to_planes(rows: &[f32], distance: usize, planes: &mut [f32], len: usize) {
    for start in (0..len).step_by(CHUNK) {
        for (c, plane) in planes.chunks_exact_mut(len).enumerate() {
            let plane = plane[start..len.min(start + CHUNK)].iter_mut();
            plane.zip(rows[start * distance + c..].iter().step_by(distance)).for_each(|(value, row)| *value = *row);
        }
    }
}

/// Up to [`WIDTH`] planes of `len` values to rows of them.
pub fn to_rows(planes: &[f32], len: usize, rows: &mut [f32]) {
    for start in (0..len).step_by(CHUNK) {
        for (c, plane) in planes.chunks_exact(len).enumerate() {
            let plane = &plane[start..len.min(start + CHUNK)];
            rows[start * WIDTH + c..].iter_mut().step_by(WIDTH).zip(plane).for_each(|(row, value)| *row = *value);
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
