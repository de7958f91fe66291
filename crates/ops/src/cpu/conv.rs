//! 2-d convolution by im2col and matrix products, parallel over images.
//!
//! Forward: `y = W · col(x) + b`, with W as C_out × (C_in·kh·kw) and col(x) as (C_in·kh·kw) × (oh·ow).
//! Backward: `dx = col2im(Wᵀ · dy)`, `dW = Σ dy · col(x)ᵀ`, `db = Σ dy`. The sums over images are taken in
//! [`GROUPS`] groups, whatever the number of threads, and added in order.

use super::matmul::{Matrix, matmul};
use super::{parallel, reduce, relu};
use crate::Window;
use std::cell::RefCell;

/// Into how many parts a batch is cut for the gradient of the weights.
const GROUPS: usize = 8;

/// The sizes of one convolution.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub batch: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub window: Window,
}

impl Shape {
    fn image(&self) -> usize {
        self.in_channels * self.input[0] * self.input[1]
    }

    fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// The length of one dot product: C_in·kh·kw.
    fn patch(&self) -> usize {
        self.in_channels * self.window.kernel[0] * self.window.kernel[1]
    }

    fn work(&self) -> usize {
        2 * self.batch * self.out_channels * self.patch() * self.positions()
    }

    /// Whether the columns are the image itself: a 1×1 convolution that skips nothing.
    fn is_pointwise(&self) -> bool {
        self.window == Window::square(1)
    }
}

thread_local! {
    /// Columns and gradient of the image at hand, kept from call to call.
    static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

fn resized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.);
    }
    &mut buffer[..len]
}

/// `x` is (N, C_in, H, W), `weight` (C_out, C_in, kh, kw), the result (N, C_out, oh, ow); ReLU on top if asked for.
pub fn forward(s: &Shape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, with_relu: bool) -> Vec<f32> {
    let (positions, patch) = (s.positions(), s.patch());
    let weight = Matrix::new(weight, s.out_channels, patch);
    let mut y = vec![0f32; s.batch * s.out_channels * positions];
    parallel::chunks(&mut y, s.out_channels * positions, s.work(), |i, y| {
        let x = &x[i * s.image()..][..s.image()];
        SCRATCH.with_borrow_mut(|(columns, _)| {
            let columns = columns_of(s, x, columns);
            matmul(y, weight, Matrix::new(columns, patch, positions), false);
        });
        if bias.is_some() || with_relu {
            finish(y, positions, bias, with_relu);
        }
    });
    y
}

/// Adds the bias of each channel and applies ReLU.
fn finish(y: &mut [f32], positions: usize, bias: Option<&[f32]>, with_relu: bool) {
    let floor = if with_relu { 0. } else { f32::NEG_INFINITY };
    pulp::Arch::new().dispatch(|| {
        for (channel, plane) in y.chunks_exact_mut(positions).enumerate() {
            let bias = bias.map_or(0., |b| b[channel]);
            for v in plane {
                // Written so that NaN stays NaN.
                let sum = *v + bias;
                *v = if sum < floor { floor } else { sum };
            }
        }
    });
}

/// The gradients of one convolution; what was not asked for is empty.
pub struct Gradients {
    pub x: Vec<f32>,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// `dy` is the gradient of the result. With ReLU on top, `y` is that result and masks `dy` (gradient 0 at 0).
pub fn backward(s: &Shape, x: &[f32], weight: &[f32], y: Option<&[f32]>, dy: &[f32], want_dx: bool) -> Gradients {
    let (positions, patch, image) = (s.positions(), s.patch(), s.image());
    let output = s.out_channels * positions;
    let weight_len = s.out_channels * patch;
    let per_group = s.batch.div_ceil(GROUPS).max(1);
    let groups = s.batch.div_ceil(per_group);
    let transposed = Matrix::new(weight, s.out_channels, patch).transposed();

    // Each group has its own sums: dW, then db. Where dx is not wanted a dummy value per group keeps the loop one.
    let mut partial = vec![0f32; groups * (weight_len + s.out_channels)];
    let mut dx = vec![0f32; if want_dx { s.batch * image } else { groups }];
    let dx_len = if want_dx { per_group * image } else { 1 };
    parallel::chunks2((&mut dx, dx_len), (&mut partial, weight_len + s.out_channels), 2 * s.work(), |g, dx, sums| {
        let (dw, db) = sums.split_at_mut(weight_len);
        for i in g * per_group..((g + 1) * per_group).min(s.batch) {
            SCRATCH.with_borrow_mut(|(columns, gradient)| {
                let dy = masked(&dy[i * output..][..output], y.map(|y| &y[i * output..][..output]), gradient);
                let dy_matrix = Matrix::new(dy, s.out_channels, positions);
                for (db, plane) in db.iter_mut().zip(dy.chunks_exact(positions)) {
                    *db += reduce::sum(plane, |v| v);
                }
                let columns_x = columns_of(s, &x[i * image..][..image], columns);
                matmul(dw, dy_matrix, Matrix::new(columns_x, patch, positions).transposed(), true);
                if want_dx {
                    let dx = &mut dx[(i - g * per_group) * image..][..image];
                    if s.is_pointwise() {
                        matmul(dx, transposed, dy_matrix, false);
                    } else {
                        let columns = resized(columns, patch * positions);
                        matmul(columns, transposed, dy_matrix, false);
                        col2im(s, columns, dx);
                    }
                }
            });
        }
    });

    let mut sums = vec![0f32; weight_len + s.out_channels];
    for group in partial.chunks_exact(weight_len + s.out_channels) {
        sums.iter_mut().zip(group).for_each(|(sum, part)| *sum += part);
    }
    let bias = sums.split_off(weight_len);
    Gradients { x: if want_dx { dx } else { Vec::new() }, weight: sums, bias }
}

/// The gradient behind a ReLU whose result was `y`.
fn masked<'a>(dy: &'a [f32], y: Option<&[f32]>, buffer: &'a mut Vec<f32>) -> &'a [f32] {
    let Some(y) = y else { return dy };
    let buffer = resized(buffer, dy.len());
    relu::mask(y, dy, buffer);
    buffer
}

/// The patches under the kernel as a (C_in·kh·kw) × (oh·ow) matrix, zero where the kernel looks at padding.
fn columns_of<'a>(s: &Shape, x: &'a [f32], buffer: &'a mut Vec<f32>) -> &'a [f32] {
    if s.is_pointwise() {
        return x;
    }
    let columns = resized(buffer, s.patch() * s.positions());
    for_each_row(s, |row, channel_row, valid, first, stride| {
        let out = &mut columns[row..][..s.output[1]];
        let Some(channel_row) = channel_row else { return out.fill(0.) };
        out[..valid.start].fill(0.);
        out[valid.end..].fill(0.);
        let source = &x[channel_row..][..s.input[1]];
        let out = &mut out[valid];
        if stride == 1 {
            out.iter_mut().zip(&source[first..]).for_each(|(o, v)| *o = *v);
        } else {
            out.iter_mut().zip(source[first..].iter().step_by(stride)).for_each(|(o, v)| *o = *v);
        }
    });
    columns
}

/// Adds every column back to the pixel it came from; the adjoint of [`columns_of`].
fn col2im(s: &Shape, columns: &[f32], dx: &mut [f32]) {
    for_each_row(s, |row, channel_row, valid, first, stride| {
        let Some(channel_row) = channel_row else { return };
        let source = &columns[row..][..s.output[1]][valid];
        let target = &mut dx[channel_row..][..s.input[1]];
        if stride == 1 {
            target[first..].iter_mut().zip(source).for_each(|(t, v)| *t += *v);
        } else {
            target[first..].iter_mut().step_by(stride).zip(source).for_each(|(t, v)| *t += *v);
        }
    });
}

/// Visits every output row of every row of the column matrix: where it starts there, where the input row it looks at
/// starts (none if that is padding), which of its positions see the image, the first pixel they see, and the stride.
fn for_each_row(s: &Shape, mut visit: impl FnMut(usize, Option<usize>, std::ops::Range<usize>, usize, usize)) {
    let Window { kernel, stride, padding } = s.window;
    let ([height, width], [rows, columns]) = (s.input, s.output);
    let mut row = 0;
    for channel in 0..s.in_channels {
        for ky in 0..kernel[0] {
            for kx in 0..kernel[1] {
                // Positions ox with 0 ≤ ox·stride + kx − padding < width.
                let start = padding[1].saturating_sub(kx).div_ceil(stride[1]).min(columns);
                let end = (width + padding[1]).saturating_sub(kx).div_ceil(stride[1]).clamp(start, columns);
                let first = if start < end { start * stride[1] + kx - padding[1] } else { 0 };
                for oy in 0..rows {
                    let y = (oy * stride[0] + ky).checked_sub(padding[0]).filter(|&y| y < height);
                    visit(row, y.map(|y| (channel * height + y) * width), start..end, first, stride[1]);
                    row += columns;
                }
            }
        }
    }
}
