//! The forward pass.

use super::super::tile::{Kernel, dispatch};
use super::super::{parallel, scratch};
use super::Shape;
use super::grid::Grid;
use super::rows::{Planes, row};
use pulp::Simd;

/// A depthwise convolution made ready for inputs of one size, with ReLU on top if asked for.
pub struct Packed {
    s: Shape,
    grid: Grid,
    /// (C, 1, kh, kw)
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    relu: bool,
}

impl Packed {
    /// `weight` is (C, 1, kh, kw).
    pub fn new(s: &Shape, weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Self {
        Self { s: *s, grid: Grid::new(s), weight: weight.to_vec(), bias: bias.map(<[f32]>::to_vec), relu }
    }

    /// `x` is (N, C, H, W) with any N, `y` (N, C, oh, ow).
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let results = self.s.results();
        let work = y.len() / results.max(1) * self.s.work();
        let image = self.s.image();
        parallel::chunks(y, results, work, |n, y| self.image(&x[n * image..][..image], y));
    }

    /// One image.
    pub fn image(&self, x: &[f32], y: &mut [f32]) {
        let grid = &self.grid;
        scratch::with([grid.with_margins(grid.classes.len()), grid.plane()], |[pixels, sums]| {
            dispatch(Forward { packed: self, x, pixels, sums, y });
        });
    }
}

/// One image.
struct Forward<'a> {
    packed: &'a Packed,
    x: &'a [f32],
    /// Scratch for the pixels on the grid, with margins.
    pixels: &'a mut [f32],
    /// Scratch for the grid.
    sums: &'a mut [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { packed: Packed { s, grid, weight, bias, relu }, x, pixels, sums, y } = self;
        let floor = relu.then_some(0.);
        let channels = y.chunks_exact_mut(s.output[0] * s.output[1]).zip(weight.chunks_exact(s.taps()));
        for (channel, (y, weight)) in channels.enumerate() {
            let values = grid.pixels(x, channel, pixels);
            let planes = Planes { values, masks: &grid.masks };
            let first = bias.as_ref().map_or(0., |bias| bias[channel]);
            if grid.is_output() {
                row::<S, V>(simd, &grid.seen, weight, planes, first, floor, y);
            } else {
                row::<S, V>(simd, &grid.seen, weight, planes, first, floor, sums);
                grid.gather(sums, y);
            }
        }
    }
}
