//! Depthwise 2-d convolution: each channel has its own kernel. Planes are small and their dot products short, so the
//! vectors run along the positions of a plane.
//!
//! All planes lie on a grid on which a tap of the kernel reads at the same distance everywhere ([`grid`]), `y[i] = Σ_taps
//! w · x[i + distance]` over the whole plane at once; what it would read beyond the end of a row is masked ([`rows`]).

mod backward;
mod grid;
mod interleave;
mod packed;
mod rows;

pub use backward::backward;
pub use packed::Packed;

use super::parallel;
use super::source::Source;
use super::tally::Tally;
use crate::Window;

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

    /// Pixels of a plane.
    fn plane(&self) -> usize {
        self.input[0] * self.input[1]
    }
}

/// `x` is (N, C, H, W), `weight` (C, 1, kh, kw), the result (N, C, oh, ow); ReLU on top if asked for.
pub fn forward(s: &Shape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
    let packed = Packed::new(s, weight, bias, relu);
    parallel::filled(s.batch * s.results(), s.results(), s.batch * s.work(), |n, y| {
        packed.image(&x[n * s.image()..][..s.image()], y.take_all());
    })
}

/// [`forward`] without a bias, and a tally of its results.
pub fn forward_tallied(s: &Shape, x: Source, weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>) {
    let (packed, mut tallies) = (Packed::new(s, weight, None, false), vec![0f32; s.batch * tally.len]);
    let (of_y, of_tallies) = ((s.batch * s.results(), s.results()), (&mut tallies[..], tally.len));
    let y = parallel::filled2(of_y, of_tallies, s.batch * s.work(), |n, y, tallies| {
        let y = y.take_all();
        x.with(n, 1, s.image(), |x| packed.image(x, y));
        tally.take(n, 1, y, tallies);
    });
    (y, tallies)
}

/// `len` values from `start` on with so many more on either side, whatever they are: in place or in `scratch`.
#[inline(always)]
fn surrounded<'a>(values: &'a [f32], start: usize, len: usize, margin: usize, scratch: &'a mut [f32]) -> &'a [f32] {
    if margin <= start && start + len + margin <= values.len() {
        return &values[start - margin..start + len + margin];
    }
    scratch[margin..margin + len].copy_from_slice(&values[start..start + len]);
    scratch
}
