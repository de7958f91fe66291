//! Depthwise 2-d convolution: each channel has its own kernel. Planes are small and their dot products short, so the
//! vectors run along the positions of a plane.
//!
//! A padded plane is split by the stride into phases: the pixels whose row and column leave the same remainders. Within
//! them every stride is 1, and with the width of a phase as the width of the output too, a tap of the kernel is one
//! distance for all positions: `y[i] = Σ_taps w · x[start + i]` over the whole plane at once. The few positions
//! computed beyond the end of each row are dropped.

mod packed;

pub use packed::Packed;

use super::tile::{Kernel, Term, WIDTH, dispatch, sparse_row};
use super::{Gradients, parallel, reduce, scratch};
use crate::Window;
use pulp::Simd;

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

    /// Visits each row of an image's plane: where it starts there and, for the pixels of each phase in it, the first
    /// one, and where it goes; the following lie a stride apart.
    fn for_each_row(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let ([top, left], stride) = (self.window.padding, self.window.stride[1]);
        for y in 0..self.input[0] {
            for first in 0..stride.min(self.input[1]) {
                let (phase, place) = self.place(y + top, first + left);
                visit(y * self.input[1], first, phase * self.phase_len() + place);
            }
        }
    }
}

/// `x` is (N, C, H, W), `weight` (C, 1, kh, kw), the result (N, C, oh, ow); ReLU on top if asked for.
pub fn forward(s: &Shape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
    let mut y = vec![0f32; s.batch * s.results()];
    Packed::new(s, weight, bias, relu).forward(x, &mut y);
    y
}

/// A plane of the image into its phases; the padding stays what it was.
#[inline(always)]
fn split(s: &Shape, x: &[f32], plane: &mut [f32]) {
    s.for_each_row(|row, first, target| {
        let pixels = x[row..][..s.input[1]][first..].iter().step_by(s.window.stride[1]);
        plane[target..].iter_mut().zip(pixels).for_each(|(p, x)| *p = *x);
    });
}

/// `dy` is the gradient of the result.
pub fn backward(s: &Shape, x: &[f32], weight: &[f32], dy: &[f32], want_dx: bool) -> Gradients {
    let (image, output) = (s.channels * s.input[0] * s.input[1], s.channels * s.output[0] * s.output[1]);
    let per_group = s.batch.div_ceil(GROUPS).max(1);
    let groups = s.batch.div_ceil(per_group);
    let (dw_len, sums_len) = (weight.len(), weight.len() + s.channels);
    // Each group has its own sums: dW, then db. Where dx is not wanted a dummy value per group keeps the loop one.
    let mut partial = vec![0f32; groups * sums_len];
    let mut dx = vec![0f32; if want_dx { s.batch * image } else { groups }];
    let dx_len = if want_dx { per_group * image } else { 1 };
    parallel::chunks2((&mut dx, dx_len), (&mut partial, sums_len), 2 * s.batch * s.work(), |group, dx, sums| {
        let (dw, db) = sums.split_at_mut(dw_len);
        for (i, n) in (group * per_group..s.batch).take(per_group).enumerate() {
            let dx = want_dx.then(|| &mut dx[i * image..][..image]);
            let (x, dy) = (&x[n * image..][..image], &dy[n * output..][..output]);
            let rounded = s.phase_len().next_multiple_of(WIDTH);
            scratch::with([s.plane(), s.margin() + rounded, rounded], |[plane, spread, sums]| {
                dispatch(Backward { s, x, weight, dy, plane, spread, sums, dw, db, dx });
            });
        }
    });
    let mut sums = vec![0f32; sums_len];
    for group in partial.chunks_exact(sums_len) {
        sums.iter_mut().zip(group).for_each(|(sum, part)| *sum += part);
    }
    let bias = sums.split_off(dw_len);
    Gradients { x: want_dx.then_some(dx), weight: sums, bias }
}

/// One image's part of dW and db, and its dx.
struct Backward<'a> {
    s: &'a Shape,
    x: &'a [f32],
    weight: &'a [f32],
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
        let Self { s, x, weight, dy, plane, spread, sums, dw, db, mut dx } = self;
        let (starts, margin, width) = (s.taps_at(), s.margin(), s.phase()[1]);
        let (size, output, taps) = (s.input[0] * s.input[1], s.output[0] * s.output[1], s.taps());
        let phases = s.window.stride[0] * s.window.stride[1];
        let mut terms = Vec::with_capacity(taps);
        plane.fill(0.);
        spread.fill(0.);
        for channel in 0..s.channels {
            let (x, dy) = (&x[channel * size..][..size], &dy[channel * output..][..output]);
            split(s, x, plane);
            for (row, dy) in spread[margin..].chunks_mut(width).zip(dy.chunks_exact(s.output[1])) {
                row[..s.output[1]].copy_from_slice(dy);
            }
            db[channel] += reduce::sum(dy, |v| v);
            let dy = &spread[margin..][..s.span()];
            for (dw, &(phase, place)) in dw[channel * taps..].iter_mut().zip(&starts) {
                let x = &plane[phase * s.phase_len() + place..][..dy.len()];
                *dw += reduce::sum2(x, dy, |x, dy| x * dy);
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
                let offset = current * s.phase_len();
                s.for_each_row(|row, first, target| {
                    let Some(place) = target.checked_sub(offset).filter(|&place| place < s.phase_len()) else { return };
                    let pixels = dx[row..][..s.input[1]][first..].iter_mut().step_by(s.window.stride[1]);
                    pixels.zip(&sums[place..]).for_each(|(dx, v)| *dx = *v);
                });
            }
        }
    }
}
