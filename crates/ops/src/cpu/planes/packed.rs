//! The forward pass.

use super::super::scratch;
use super::super::tile::{Kernel, dispatch};
use super::grid::Grid;
use super::rows::{Planes, Taps, row};
use crate::Window;
use pulp::Simd;

/// A grouped convolution made ready for inputs of one size, with ReLU on top if asked for.
pub struct Packed {
    grid: Grid,
    /// Of all planes of a group.
    taps: Taps,
    /// Of a group.
    inputs: usize,
    outputs: usize,
    /// Weights of an output channel.
    patch: usize,
    /// (C_out, inputs, kh, kw)
    weight: Vec<f32>,
    relu: bool,
}

impl Packed {
    /// `weight` is (groups · outputs, inputs, kh, kw).
    pub fn new(
        window: &Window,
        input: [usize; 2],
        output: [usize; 2],
        [groups, inputs, outputs]: [usize; 3],
        weight: &[f32],
        relu: bool,
    ) -> Self {
        let (grid, taps) = (Grid::new(window, input, output), window.kernel.iter().product::<usize>());
        let patch = inputs * taps;
        debug_assert_eq!(weight.len(), groups * outputs * patch);
        let taps = grid.seen.of_planes(inputs, taps, grid.classes.len() * grid.plane());
        Self { grid, taps, inputs, outputs, patch, weight: weight.to_vec(), relu }
    }

    /// One image: `x` is (groups · inputs, H, W), `y` (groups · outputs, oh, ow).
    pub fn image(&self, x: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let grid = &self.grid;
        scratch::with([grid.with_margins(self.inputs * grid.classes.len()), grid.plane()], |[pixels, sums]| {
            dispatch(Forward { packed: self, x, bias, pixels, sums, y });
        });
    }
}

struct Forward<'a> {
    packed: &'a Packed,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    /// Scratch for the pixels of a group on the grid, with margins.
    pixels: &'a mut [f32],
    /// Scratch for the grid.
    sums: &'a mut [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { packed: Packed { grid, taps, inputs, outputs, patch, weight, relu }, x, bias, pixels, sums, y } =
            self;
        let floor = relu.then_some(0.);
        let channels = y.chunks_exact_mut(grid.output_len()).zip(weight.chunks_exact(*patch));
        let mut channels = channels.enumerate();
        for group in 0..weight.len() / (outputs * patch) {
            let values = grid.pixels(x, group * inputs..(group + 1) * inputs, pixels);
            let planes = Planes { values, masks: &grid.masks };
            for (channel, (y, weight)) in channels.by_ref().take(*outputs) {
                let bias = bias.map(|bias| bias[channel]);
                if grid.is_output() {
                    row::<S, V>(simd, taps, weight, planes, bias, floor, y);
                } else {
                    row::<S, V>(simd, taps, weight, planes, bias, floor, sums);
                    grid.gather(sums, y);
                }
            }
        }
    }
}
