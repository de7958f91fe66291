//! The forward pass of a convolution on planes: each output plane is one correlation over the taps on all input planes.

use pulp::Simd;

use super::{
    correlation::correlate,
    grid::Grid,
    taps::{MaskedPlanes, Taps},
};
use crate::{
    cpu::{
        scratch,
        simd::{Kernel, dispatch},
    },
    window::Window,
};

/// A convolution prepared for inputs of one size, followed by a ReLU if `relu`.
pub struct PlaneConv {
    grid: Grid,
    /// The taps on all input planes.
    taps: Taps,
    /// The number of input channels.
    inputs: usize,
    /// The number of weights of an output channel.
    patch_len: usize,
    /// (outputs, inputs, kh, kw)
    weight: Vec<f32>,
    relu: bool,
}

impl PlaneConv {
    /// Takes the sizes (height, width) of an input and an output plane, and weights (outputs, inputs, kh, kw).
    pub fn new(
        window: &Window,
        input: [usize; 2],
        output: [usize; 2],
        [inputs, outputs]: [usize; 2],
        weight: &[f32],
        relu: bool,
    ) -> Self {
        let (grid, taps) = (Grid::new(window, input, output), window.kernel.iter().product::<usize>());
        let patch_len = inputs * taps;
        debug_assert_eq!(weight.len(), outputs * patch_len);
        let taps = grid.input_taps.repeated(inputs, taps, grid.phases.len() * grid.positions());
        Self { grid, taps, inputs, patch_len, weight: weight.to_vec(), relu }
    }

    /// Computes one image: `x` is (inputs, H, W), `y` (outputs, oh, ow).
    pub fn forward_image(&self, x: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let grid = &self.grid;
        let lens = [grid.len_with_margins(self.inputs * grid.phases.len()), grid.positions()];
        scratch::with(lens, |[pixels, sums]| {
            dispatch(PlaneConvKernel { conv: self, x, bias, pixels, sums, y });
        });
    }
}

struct PlaneConvKernel<'a> {
    conv: &'a PlaneConv,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    /// Scratch for the input planes on the grid, with margins.
    pixels: &'a mut [f32],
    /// Scratch for an output plane on the grid.
    sums: &'a mut [f32],
    y: &'a mut [f32],
}

impl Kernel for PlaneConvKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { conv, x, bias, pixels, sums, y } = self;
        let PlaneConv { grid, taps, patch_len, weight, relu, .. } = conv;
        let floor = relu.then_some(0.);
        grid.lay_input(x, pixels);
        let planes = MaskedPlanes { values: pixels, masks: &grid.masks };
        let channels = y.chunks_exact_mut(grid.output_len()).zip(weight.chunks_exact(*patch_len));
        for (channel, (y, weight)) in channels.enumerate() {
            let bias = bias.map(|bias| bias[channel]);
            if grid.is_output() {
                correlate::<S, V>(simd, taps, weight, planes, bias, floor, y);
            } else {
                correlate::<S, V>(simd, taps, weight, planes, bias, floor, sums);
                grid.gather_output(sums, y);
            }
        }
    }
}
