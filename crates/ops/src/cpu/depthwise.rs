//! Depthwise 2-d convolution: each channel has its own kernel; see [`super::planes`].

mod backward;

pub use backward::backward;

use super::parallel;
use super::planes::Packed;
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
    pub fn work(&self) -> usize {
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

    /// The weights (C, 1, kh, kw), with ReLU on top if asked for.
    pub fn packed(&self, weight: &[f32], relu: bool) -> Packed {
        Packed::new(&self.window, self.input, self.output, [self.channels, 1, 1], weight, relu)
    }

    /// Pixels of a plane.
    fn plane(&self) -> usize {
        self.input[0] * self.input[1]
    }
}

/// `x` is (N, C, H, W), `weight` (C, 1, kh, kw), the result (N, C, oh, ow); ReLU on top if asked for.
pub fn forward(s: &Shape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
    let packed = s.packed(weight, relu);
    parallel::filled(s.batch * s.results(), s.results(), s.batch * s.work(), |n, y| {
        packed.image(&x[n * s.image()..][..s.image()], bias, y.take_all());
    })
}

/// [`forward`] without a bias, and a tally of its results.
pub fn forward_tallied(s: &Shape, x: Source, weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>) {
    let (packed, mut tallies) = (s.packed(weight, false), vec![0f32; s.batch * tally.len]);
    let (of_y, of_tallies) = ((s.batch * s.results(), s.results()), (&mut tallies[..], tally.len));
    let y = parallel::filled2(of_y, of_tallies, s.batch * s.work(), |n, y, tallies| {
        let y = y.take_all();
        x.with(n, 1, s.image(), |x| packed.image(x, None, y));
        tally.take(n, 1, y, tallies);
    });
    (y, tallies)
}
