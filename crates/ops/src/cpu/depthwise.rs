//! Depthwise 2-d convolution: each channel has its own kernel. Planes are small and their dot products short, so the
//! vectors run along the positions of a plane.
//!
//! A padded plane is split by the stride into phases: the pixels whose row and column leave the same remainders. Within
//! them every stride is 1, and with the width of a phase as the width of the output too, a tap of the kernel is one
//! distance for all positions: `y[i] = Σ_taps w · x[start + i]` over the whole plane at once. The few positions
//! computed beyond the end of each row are dropped.

mod packed;

pub use packed::Packed;

use super::conv::Saved;
use super::conv_norm::{self, Norm};
use super::tile::{Kernel, Term, WIDTH, dispatch, sparse_row, vectors, vectors_mut};
use super::{Gradients, parallel, reduce, scratch};
use crate::Window;
use pulp::Simd;
use std::ops::Range;

/// Into how many parts a batch is cut for the gradient of the weights, whatever the number of threads.
const GROUPS: usize = 8;

#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub batch: usize,
    pub channels: usize,
    pub input: [usize; 2],
    pub output: [usize; 2],
    pub window: Window,
}

impl Shape {
    /// Floating-point operations of an image's forward pass.
    fn work(&self) -> usize {
        2 * self.taps() * self.results()
    }

    /// Values of an image.
    pub fn image(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Values of an image's result.
    pub fn results(&self) -> usize {
        self.channels * self.output[0] * self.output[1]
    }

    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Height and width of a phase.
    fn phase(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.input[axis] + 2 * self.window.padding[axis]).div_ceil(self.window.stride[axis]))
    }

    fn phase_len(&self) -> usize {
        self.phase().iter().product()
    }

    /// All phases of a plane, and what a block may read beyond them.
    fn plane(&self) -> usize {
        self.window.stride[0] * self.window.stride[1] * self.phase_len() + WIDTH
    }

    /// From the first output position to the last, in rows as wide as a phase.
    fn span(&self) -> usize {
        (self.output[0] - 1) * self.phase()[1] + self.output[1]
    }

    /// The phase of a pixel of the padded plane, and its place there.
    fn place(&self, y: usize, x: usize) -> (usize, usize) {
        let [sy, sx] = self.window.stride;
        (y % sy * sx + x % sx, y / sy * self.phase()[1] + x / sx)
    }

    /// Phase and place of each tap for the output position 0.
    fn taps_at(&self) -> Vec<(usize, usize)> {
        let [kh, kw] = self.window.kernel;
        (0..kh).flat_map(|ky| (0..kw).map(move |kx| self.place(ky, kx))).collect()
    }

    /// Zeros before the gradient of a plane, so that no tap reads before its start.
    fn margin(&self) -> usize {
        self.taps_at().iter().map(|tap| tap.1).max().unwrap_or(0)
    }

    /// The rows of an image's plane, cut up by phase.
    fn rows(&self) -> Vec<Row> {
        let ([top, left], [height, width]) = (self.window.padding, self.input);
        let firsts = 0..self.window.stride[1].min(width);
        let cut = |y, first| {
            let (phase, place) = self.place(y + top, first + left);
            Row { pixels: y * width + first..(y + 1) * width, phase, place }
        };
        (0..height).flat_map(|y| firsts.clone().map(move |first| cut(y, first))).collect()
    }
}

/// The pixels of a row that belong to one phase.
struct Row {
    /// The first of them in the plane, to the end of the row; the following lie a stride apart.
    pixels: Range<usize>,
    phase: usize,
    /// Where they go in their phase, side by side.
    place: usize,
}

/// `x` is (N, C, H, W), `weight` (C, 1, kh, kw), the result (N, C, oh, ow); ReLU on top if asked for.
pub fn forward(s: &Shape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
    let packed = Packed::new(s, weight, bias, relu);
    parallel::filled(s.batch * s.results(), s.results(), s.batch * s.work(), |n, y| packed.image(x, n, y.take_all()))
}

/// A plane of the image into its phases; the padding stays what it was.
#[inline(always)]
fn split(s: &Shape, rows: &[Row], x: &[f32], plane: &mut [f32]) {
    let (stride, len) = (s.window.stride[1], s.phase_len());
    for row in rows {
        let (pixels, plane) = (&x[row.pixels.clone()], &mut plane[row.phase * len + row.place..]);
        if stride == 1 {
            plane[..pixels.len()].copy_from_slice(pixels);
        } else {
            plane.iter_mut().zip(pixels.iter().step_by(stride)).for_each(|(p, x)| *p = *x);
        }
    }
}

/// The way back: one phase into its pixels of the plane.
#[inline(always)]
fn join(s: &Shape, rows: &[Row], phase: usize, values: &[f32], x: &mut [f32]) {
    let stride = s.window.stride[1];
    for row in rows.iter().filter(|row| row.phase == phase) {
        let (pixels, values) = (&mut x[row.pixels.clone()], &values[row.place..]);
        if stride == 1 {
            pixels.copy_from_slice(&values[..pixels.len()]);
        } else {
            pixels.iter_mut().step_by(stride).zip(values).for_each(|(x, v)| *x = *v);
        }
    }
}

/// `dy` is the gradient of the result, or with `norm` that of what the batch normalisation and the epilogue made of it.
pub fn backward(
    s: &Shape,
    x: &[f32],
    weight: &[f32],
    norm: Option<(&Norm, Saved)>,
    dy: &[f32],
    want_dx: bool,
) -> Gradients {
    let (image, output) = (s.image(), dy.len() / s.batch.max(1));
    let per_group = s.batch.div_ceil(GROUPS).max(1);
    let (groups, rows) = (s.batch.div_ceil(per_group), s.rows());
    let (dw_len, sums_len) = (weight.len() * WIDTH, weight.len() * WIDTH + s.channels);
    // Each group has its own sums: dW, in lanes that are added up at the end, then db. Where dx is not wanted a dummy
    // value per group keeps the loop one.
    let mut partial = vec![0f32; groups * sums_len];
    let dx_lens = if want_dx { (s.batch * image, per_group * image) } else { (groups, 1) };
    let dx = parallel::filled2(dx_lens, (&mut partial, sums_len), 2 * s.batch * s.work(), |group, mut dx, sums| {
        let (dw, db) = sums.split_at_mut(dw_len);
        for n in (group * per_group..s.batch).take(per_group) {
            let dx = want_dx.then(|| dx.take(image));
            let (x, dy) = (&x[n * image..][..image], &dy[n * output..][..output]);
            let rounded = s.phase_len().next_multiple_of(WIDTH);
            let normalised = if norm.is_some() { s.output[0] * s.output[1] } else { 0 };
            let lens = [s.plane(), s.margin() + rounded, rounded, normalised];
            scratch::with(lens, |[plane, spread, sums, normalised]| {
                let norm = norm.map(|(norm, saved)| (norm, saved, n, normalised));
                dispatch(Backward { s, rows: &rows, x, weight, norm, dy, plane, spread, sums, dw, db, dx });
            });
        }
    });
    let mut sums = vec![0f32; sums_len];
    for group in partial.chunks_exact(sums_len) {
        sums.iter_mut().zip(group).for_each(|(sum, part)| *sum += part);
    }
    let bias = sums.split_off(dw_len);
    let weight = sums.as_chunks::<WIDTH>().0.iter().map(|lanes| reduce::sum(lanes, |v| v)).collect();
    Gradients { x: want_dx.then_some(dx), weight, bias }
}

/// One image's part of dW and db, and its dx.
struct Backward<'a> {
    s: &'a Shape,
    rows: &'a [Row],
    x: &'a [f32],
    weight: &'a [f32],
    /// With batch normalisation: what the backward pass knows of it, the image's number, and scratch for a plane.
    norm: Option<(&'a Norm<'a>, Saved<'a>, usize, &'a mut [f32])>,
    dy: &'a [f32],
    plane: &'a mut [f32],
    /// The gradient of a plane in rows as wide as a phase, zeros around it.
    spread: &'a mut [f32],
    sums: &'a mut [f32],
    dw: &'a mut [f32],
    db: &'a mut [f32],
    dx: Option<&'a mut [f32]>,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, rows, x, weight, mut norm, dy, plane, spread, sums, dw, db, mut dx } = self;
        let (starts, margin, width) = (s.taps_at(), s.margin(), s.phase()[1]);
        let (size, results, taps) = (s.input[0] * s.input[1], dy.len() / s.channels, s.taps());
        let phases = s.window.stride[0] * s.window.stride[1];
        let mut terms = Vec::with_capacity(taps);
        plane.fill(0.);
        spread.fill(0.);
        for channel in 0..s.channels {
            let (x, dy) = (&x[channel * size..][..size], &dy[channel * results..][..results]);
            split(s, rows, x, plane);
            let dy = match &mut norm {
                Some((norm, saved, n, plane)) => {
                    conv_norm::gradient(norm, saved, *n, channel, dy, plane);
                    &**plane
                }
                None => dy,
            };
            for (row, dy) in spread[margin..].chunks_mut(width).zip(dy.chunks_exact(s.output[1])) {
                row[..s.output[1]].copy_from_slice(dy);
            }
            db[channel] += reduce::sum(dy, |v| v);
            // What is beyond the span is 0.
            let dy = vectors::<S, V>(&spread[margin..][..s.span().next_multiple_of(WIDTH)]);
            let dw = vectors_mut::<S, V>(&mut dw[channel * taps * WIDTH..]);
            for (dw, &(phase, place)) in dw.iter_mut().zip(&starts) {
                let x = vectors::<S, V>(&plane[phase * s.phase_len() + place..]);
                let mut sums = *dw;
                for (x, dy) in x.iter().zip(dy) {
                    for v in 0..V {
                        sums[v] = simd.mul_add_e_f32s(x[v], dy[v], sums[v]);
                    }
                }
                *dw = sums;
            }
            let Some(dx) = dx.as_deref_mut() else { continue };
            let dx = &mut dx[channel * size..][..size];
            for current in 0..phases {
                terms.clear();
                for (&(phase, place), &factor) in starts.iter().zip(&weight[channel * taps..]) {
                    if phase == current {
                        terms.push(Term { start: margin - place, factor });
                    }
                }
                sums.fill(0.);
                sparse_row::<S, V>(simd, sums, &terms, spread);
                join(s, rows, current, sums, dx);
            }
        }
    }
}
