//! The backward pass, plane by plane on a [`Grid`]: `dw` are dot products of the shifted input plane with dy, and `dx` is a
//! correlation of dy with the opposite distances. Images are (C, H, W).

use pulp::Simd;

use super::shape::DepthwiseShape;
use crate::cpu::{
    backward_pass::BackwardPass,
    conv_norm::SavedNorm,
    gradients::Gradients,
    image_groups::{GradientSizes, GroupGradients, accumulate},
    planes::{Grid, MaskedPlanes, add_dot_products, correlate, with_margins},
    reduce, scratch,
    simd::{BLOCK_WIDTH, Kernel, dispatch, vectors_mut},
};

/// Computes the gradients of a depthwise convolution, and the sums over each image of dx.
pub fn backward(s: &DepthwiseShape, pass: &BackwardPass) -> (Gradients, Vec<f32>) {
    let (dy_len, grid) = (pass.dy.len() / s.batch.max(1), Grid::new(&s.window, s.input, s.output));
    let sizes = GradientSizes {
        batch: s.batch,
        image: s.input_len(),
        // In lanes, which are summed at the end.
        weight: pass.weight.len() * BLOCK_WIDTH,
        bias: s.channels,
        image_sums: pass.finish_dx.sums,
        want_dx: pass.want_dx,
        want_dw: pass.want_dw,
        flops: s.batch.saturating_mul(2).saturating_mul(s.flops()),
    };
    let (gradients, dx_sums) = accumulate(&sizes, |images, gradients| {
        let GroupGradients { weight: mut dw, bias: db, x: mut dx, image_sums } = gradients;
        for (i, n) in images.enumerate() {
            let mut dx = dx.as_mut().map(|dx| dx.take_zeroed(s.input_len()));
            let dy = &pass.dy[n * dy_len..][..dy_len];
            let pixels = grid.len_with_margins(grid.phases.len());
            let lens = [pixels, pixels, grid.len_with_margins(1), s.output[0] * s.output[1]];
            scratch::with(lens, |[pixels, pixel_gradients, outputs, plane]| {
                let (grid, norm) = (&grid, pass.norm.map(|norm| (norm, n)));
                let (weight, dx) = (pass.weight, dx.as_deref_mut());
                let scratch = DepthwiseScratch { pixels, pixel_gradients, outputs, plane };
                match dw.as_deref_mut() {
                    Some(dw) => pass.x.part(n * s.input_len()..(n + 1) * s.input_len()).with(s.input_len(), |x| {
                        let dw = Some((x, dw));
                        dispatch(DepthwiseBackwardKernel { s, grid, weight, norm, dy, scratch, dw, db, dx });
                    }),
                    None => dispatch(DepthwiseBackwardKernel { s, grid, weight, norm, dy, scratch, dw: None, db, dx }),
                }
            });
            if let Some(dx) = dx {
                pass.finish_dx.run(n, 1, dx, &mut image_sums[i * pass.finish_dx.sums..]);
            }
        }
    });
    let sum_lanes =
        |dw: Vec<f32>| dw.as_chunks::<BLOCK_WIDTH>().0.iter().map(|lanes| reduce::sum(lanes, |v| v)).collect();
    let weight = gradients.weight.map(sum_lanes);
    (Gradients { weight, ..gradients }, dx_sums)
}

/// Adds one image's part to the gradients of weights and bias, and computes its dx.
struct DepthwiseBackwardKernel<'a> {
    s: &'a DepthwiseShape,
    grid: &'a Grid,
    weight: &'a [f32],
    /// The values that the forward pass of batch normalisation saved, and the number of the image; `None` without it.
    norm: Option<(&'a SavedNorm<'a>, usize)>,
    dy: &'a [f32],
    scratch: DepthwiseScratch<'a>,
    /// The image and the weight gradient, [`BLOCK_WIDTH`] lanes for each weight, which is added to.
    dw: Option<(&'a [f32], &'a mut [f32])>,
    /// The bias gradient; added to.
    db: &'a mut [f32],
    dx: Option<&'a mut [f32]>,
}

struct DepthwiseScratch<'a> {
    /// For an input plane on the grid, with margins.
    pixels: &'a mut [f32],
    /// For the gradient of an input plane on the grid, with margins.
    pixel_gradients: &'a mut [f32],
    /// For the gradient of an output plane on the grid, with margins.
    outputs: &'a mut [f32],
    /// For the gradient of an output plane.
    plane: &'a mut [f32],
}

impl Kernel for DepthwiseBackwardKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, grid, weight, norm, dy, scratch, mut dw, db, mut dx } = self;
        let DepthwiseScratch { pixels, pixel_gradients, outputs, plane } = scratch;
        let (input, results, taps) = (s.input_plane(), dy.len() / s.channels, s.taps());
        for channel in 0..s.channels {
            // The gradient of the output plane, then the same on the grid.
            let mut gradient = &dy[channel * results..][..results];
            if let Some((norm, n)) = &norm {
                norm.gradient_of_plane(*n, channel, gradient, plane);
                gradient = plane;
            } else {
                // With batch normalisation behind it, the bias has no gradient.
                db[channel] += reduce::sum(gradient, |v| v);
            }
            let outputs = if !grid.is_output() {
                grid.scatter_output(gradient, &mut outputs[grid.margin..]);
                &*outputs
            } else if norm.is_some() {
                with_margins(gradient, 0, gradient.len(), grid.margin, outputs)
            } else {
                with_margins(dy, channel * results, results, grid.margin, outputs)
            };

            let outputs = MaskedPlanes { values: outputs, masks: &grid.masks };
            if let Some((x, dw)) = &mut dw {
                let values = grid.lay_input(x, channel..channel + 1, pixels);
                let planes = MaskedPlanes { values, masks: &grid.masks };
                let dw = vectors_mut::<S, V>(&mut dw[channel * taps * BLOCK_WIDTH..][..taps * BLOCK_WIDTH]);
                let (pixels, gradient) = ((&grid.input_taps, planes), (&grid.output_tap, outputs));
                add_dot_products::<S, V>(simd, dw, pixels, gradient, grid.positions());
            }

            let Some(dx) = dx.as_deref_mut() else { continue };
            let dx = &mut dx[channel * input..][..input];
            let weight = &weight[channel * taps..][..taps];
            if grid.is_input() {
                correlate::<S, V>(simd, &grid.phases[0].output_taps, weight, outputs, None, None, dx);
                continue;
            }
            let phases = grid.phases.iter().zip(pixel_gradients.chunks_exact_mut(grid.positions()));
            for (phase, gradients) in phases {
                correlate::<S, V>(simd, &phase.output_taps, weight, outputs, None, None, gradients);
            }
            grid.merge_phases(pixel_gradients, dx);
        }
    }
}
