//! The global maximum of a 1-d convolution. Each thread computes the output of one sequence at a time and keeps of it only the
//! maxima and their positions, to which the whole gradient goes.

use std::ops::Range;

use super::{
    conv::{ConvShape, PreparedConv},
    gradients::Gradients,
    image_groups::{self, GradientSizes},
    isa::vectorised,
    parallel, reduce, scratch,
};

/// The maximum of each channel of each sequence, (N, C_out).
pub struct Maxima {
    pub values: Vec<f32>,
    /// The position of each; of equal values, the first.
    pub positions: Vec<u32>,
}

/// Computes the maxima of a convolution of sequences (N, C_in, 1, L).
pub fn forward(s: &ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Maxima {
    let conv = PreparedConv::for_training(s, weight);
    let (mut values, mut positions) = (vec![0f32; s.batch * s.out_channels], vec![0u32; s.batch * s.out_channels]);
    let tasks = ((&mut values[..], s.out_channels), (&mut positions[..], s.out_channels));
    parallel::chunks_zip(tasks.0, tasks.1, s.batch.saturating_mul(s.flops()), |n, values, positions| {
        scratch::with([s.result_len()], |[map]| {
            conv.forward(&x[n * s.input_len()..][..s.input_len()], bias, map);
            for ((plane, value), position) in map.chunks_exact(s.output_plane()).zip(values).zip(positions) {
                let winner = first_maximum(plane);
                (*value, *position) = (plane[winner], winner as u32);
            }
        });
    });
    Maxima { values, positions }
}

vectorised! {
/// Returns the index of the first maximum; the last NaN, if there is one, counts as the maximum, as in PyTorch.
fn first_maximum<'a>(values: &'a [f32]) -> usize {
    let (blocks, rest) = values.as_chunks::<{ reduce::LANES }>();
    let (mut maxima, mut has_nan) = ([f32::NEG_INFINITY; reduce::LANES], [false; reduce::LANES]);
    for block in blocks {
        for lane in 0..reduce::LANES {
            maxima[lane] = if block[lane] > maxima[lane] { block[lane] } else { maxima[lane] };
            has_nan[lane] |= block[lane].is_nan();
        }
    }
    if has_nan.contains(&true) || rest.iter().any(|value| value.is_nan()) {
        return values.iter().rposition(|value| value.is_nan()).unwrap_or_default();
    }
    let maximum = maxima.iter().chain(rest).fold(f32::NEG_INFINITY, |best, &value| best.max(value));
    values.iter().position(|&value| value == maximum).unwrap_or_default()
}
}

/// Computes the gradients from that of the maxima.
pub fn backward(
    s: &ConvShape,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    winners: &[u32],
    want_dx: bool,
    want_dw: bool,
) -> Gradients {
    let [_, length] = s.input;
    let sizes = GradientSizes {
        batch: s.batch,
        image: s.input_len(),
        weight: weight.len(),
        bias: s.out_channels,
        image_sums: 0,
        want_dx,
        want_dw,
        flops: 4 * dy.len() * s.patch_len(),
    };
    let (gradients, _) = image_groups::accumulate(&sizes, |sequences, mut group| {
        for n in sequences {
            let x = &x[n * s.input_len()..][..s.input_len()];
            let mut dx = group.x.as_mut().map(|dx| dx.take_zeroed(s.input_len()));
            let channels = n * s.out_channels..(n + 1) * s.out_channels;
            for (filter, (&dy, &winner)) in dy[channels.clone()].iter().zip(&winners[channels]).enumerate() {
                group.bias[filter] += dy;
                let (of_kernel, of_input) = covered(s, winner as usize);
                let weights = filter * s.patch_len()..(filter + 1) * s.patch_len();
                let kernel = s.window.kernel[1];
                if let Some(dw) = &mut group.weight {
                    for (dw, x) in dw[weights.clone()].chunks_exact_mut(kernel).zip(x.chunks_exact(length)) {
                        add_scaled(&mut dw[of_kernel.clone()], dy, &x[of_input.clone()]);
                    }
                }
                if let Some(dx) = &mut dx {
                    for (dx, weight) in dx.chunks_exact_mut(length).zip(weight[weights].chunks_exact(kernel)) {
                        add_scaled(&mut dx[of_input.clone()], dy, &weight[of_kernel.clone()]);
                    }
                }
            }
        }
    });
    gradients
}

/// Returns the places of the kernel that lie within the sequence for an output position, and the positions of the sequence
/// that they read.
fn covered(s: &ConvShape, position: usize) -> (Range<usize>, Range<usize>) {
    let ([_, length], [_, kernel], [_, padding]) = (s.input, s.window.kernel, s.window.padding);
    let start = position * s.window.stride[1];
    let first = padding.saturating_sub(start).min(kernel);
    let end = (padding + length).saturating_sub(start).min(kernel).max(first);
    // Without places, the start does not matter.
    let from = (start + first).saturating_sub(padding).min(length - (end - first));
    (first..end, from..from + (end - first))
}

/// Computes `sum += factor · values`.
fn add_scaled(sum: &mut [f32], factor: f32, values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_maxima_and_the_last_nan_win() {
        for len in [1, 15, 16, 17, 40] {
            let mut values = vec![-1f32; len];
            assert_eq!(first_maximum(&values), 0);
            values[len / 2] = 2.;
            values[len - 1] = 2.;
            assert_eq!(first_maximum(&values), len / 2);
            values[len / 3] = f32::NAN;
            assert_eq!(first_maximum(&values), len / 3);
            values[len - 1] = f32::NAN;
            assert_eq!(first_maximum(&values), len - 1);
        }
        assert_eq!(first_maximum(&[f32::NEG_INFINITY; 20]), 0);
    }
}
