//! The backward pass, channels last: the gradient of the weights is a sum over positions, and that of the input a correlation of dy
//! with some of the taps, for each remainder of a position and the stride.

use super::{
    pixels::{Correlation, Places, WeightGradient, dispatch_channels},
    shape::DepthwiseShape,
};
use crate::cpu::{
    backward_pass::BackwardPass,
    conv_input::ConvInput,
    gradients::Gradients,
    image_groups::{GradientSizes, GroupGradients, accumulate},
    map_order::MapOrder,
    padded_map::PaddedMap,
    reduce, scratch, transpose_matrix,
};

/// Computes the gradients of a depthwise convolution, and the sums over the images of dx.
pub fn backward(s: &DepthwiseShape, pass: &BackwardPass) -> (Gradients, Vec<f32>) {
    let sizes = GradientSizes {
        batch: s.batch,
        image: s.input_len(),
        weight: pass.weight.len(),
        bias: s.channels,
        image_sums: pass.finish_dx.sums,
        want_dx: pass.want_dx,
        want_dw: pass.want_dw,
        flops: s.batch.saturating_mul(2).saturating_mul(s.flops()),
    };
    let (input, output) = (s.padded_input(), s.padded_output());
    let (input_taps, phases, weight) = (s.taps_in(&input), phases(s, &output), s.weights_by_tap(pass.weight));
    let channels = s.channels;
    let (gradients, dx_sums) = accumulate(&sizes, |images, gradients| {
        let GroupGradients { weight: mut dw, bias: db, x: mut dx, image_sums } = gradients;
        for (i, n) in images.enumerate() {
            let is_pixels = s.input_order == MapOrder::Pixels;
            let lens = [
                if dw.is_some() { input.len() } else { 0 },
                output.len(),
                if dx.is_some() && !is_pixels { s.input_len() } else { 0 },
            ];
            scratch::with(lens, |[x, dy, pixels]| {
                lay_gradient(s, pass, n, &output, dy, db);
                if let Some(dw) = dw.as_deref_mut() {
                    let image = pass.x.part(n * s.input_len()..(n + 1) * s.input_len());
                    input.pad(0..usize::MAX, image, s.input_order, x);
                    let (size, taps, x_places) = (s.output, &input_taps, s.places_in(&input));
                    let dy_places = Places { start: output.origin(), steps: [output.row_len(), channels] };
                    dispatch_channels(WeightGradient { channels, size, taps, x, x_places, dy, dy_places, dw });
                }
                let Some(dx) = dx.as_mut().map(|dx| dx.take_zeroed(s.input_len())) else { return };
                if is_pixels {
                    input_gradient(s, &output, &phases, &weight, dy, dx);
                } else {
                    input_gradient(s, &output, &phases, &weight, dy, pixels);
                    transpose_matrix(pixels, dx, [dx.len() / channels, channels]);
                }
                pass.finish_dx.run(n, 1, dx, &mut image_sums[i * pass.finish_dx.sums..]);
            });
        }
    });
    let weight = gradients.weight.map(|by_tap| {
        let mut weight = vec![0.; by_tap.len()];
        transpose_matrix(&by_tap, &mut weight, [s.taps(), channels]);
        weight
    });
    (Gradients { weight, ..gradients }, dx_sums)
}

/// Writes the gradient of the convolution's output for image `n` into a padded map, and adds to the gradient of the bias.
fn lay_gradient(
    s: &DepthwiseShape,
    pass: &BackwardPass,
    n: usize,
    map: &PaddedMap,
    padded: &mut [f32],
    db: &mut [f32],
) {
    let dy_len = pass.dy.len() / s.batch;
    let dy = &pass.dy[n * dy_len..][..dy_len];
    let plane = s.output[0] * s.output[1];
    let Some(norm) = pass.norm else {
        // Without batch normalisation, feature maps are always in planes.
        for (db, plane) in db.iter_mut().zip(dy.chunks_exact(plane)) {
            *db += reduce::sum(plane, |v| v);
        }
        return map.pad(0..usize::MAX, ConvInput::Stored(dy), MapOrder::Planes, padded);
    };
    // With it, the bias has no gradient.
    if s.result_order == MapOrder::Pixels {
        let (_, rows) = map.clear_border(0..usize::MAX, padded);
        let first = map.before[1] * s.channels;
        return norm.gradient_rows(n, dy, [s.output[1], map.row_len()], &mut rows[first..]);
    }
    scratch::with([s.output_len()], |[planes]| {
        let of_channels = dy.chunks_exact(dy_len / s.channels).zip(planes.chunks_exact_mut(plane));
        for (channel, (dy, plane)) in of_channels.enumerate() {
            norm.gradient_of_plane(n, channel, dy, plane);
        }
        map.pad(0..usize::MAX, ConvInput::Stored(planes), MapOrder::Planes, padded);
    });
}

/// Computes the gradient of an image, channels last, from that of its output in a padded map.
fn input_gradient(
    s: &DepthwiseShape,
    output: &PaddedMap,
    phases: &[Phase],
    weight: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let (channels, width, [rows, columns]) = (s.channels, s.input[1], s.window.stride);
    for Phase { first, size, taps } in phases {
        let correlation = Correlation {
            channels,
            size: *size,
            taps,
            weight,
            bias: None,
            relu: false,
            x: dy,
            x_places: Places { start: 0, steps: [output.row_len(), channels] },
            y: &mut *dx,
            y_places: Places {
                start: (first[0] * width + first[1]) * channels,
                steps: [rows * width * channels, columns * channels],
            },
        };
        dispatch_channels(correlation);
    }
}

/// The positions of the input with one remainder after division by the stride, in rows and in columns. They all read the same taps.
struct Phase {
    /// The first position.
    first: [usize; 2],
    /// The numbers of rows and columns of positions.
    size: [usize; 2],
    /// For each tap that reaches them, where it reads in the padded gradient of the output at the first position, and the number
    /// of its weight.
    taps: Vec<(usize, usize)>,
}

/// Returns the phases of the gradient of the input, which is computed from dy in a padded map.
fn phases(s: &DepthwiseShape, output: &PaddedMap) -> Vec<Phase> {
    let [rows, columns] = [0, 1].map(|axis| phases_of_axis(s, output, axis));
    let mut phases = Vec::new();
    for (y, (height, of_rows)) in rows.iter().enumerate() {
        for (x, (width, of_columns)) in columns.iter().enumerate() {
            let pairs = of_rows.iter().flat_map(|row| of_columns.iter().map(move |column| (row, column)));
            let taps = pairs.map(|(&(row, ky), &(column, kx))| {
                (row * output.row_len() + column * s.channels, ky * s.window.kernel[1] + kx)
            });
            phases.push(Phase { first: [y, x], size: [*height, *width], taps: taps.collect() });
        }
    }
    phases
}

/// Returns, for each remainder along an axis, the number of positions, and for each tap that reaches them where it reads in the
/// padded gradient of the output, and its number.
fn phases_of_axis(s: &DepthwiseShape, output: &PaddedMap, axis: usize) -> Vec<(usize, Vec<(usize, usize)>)> {
    let (stride, padding) = (s.window.stride[axis], s.window.padding[axis]);
    let of_remainder = |remainder: usize| {
        let count = (s.input[axis] - remainder).div_ceil(stride);
        let taps = (0..s.window.kernel[axis]).filter(|tap| (remainder + padding) % stride == tap % stride);
        let taps = taps.map(|tap| ((remainder + padding + output.before[axis] * stride - tap) / stride, tap));
        (count, taps.collect())
    };
    (0..stride.min(s.input[axis])).map(of_remainder).collect()
}
