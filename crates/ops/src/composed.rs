//! The operators as compositions of candle operators whose gradients are exact, for devices and types without a kernel.
//!
//! The functions of the crate's root choose between these and the kernels; tests compare the two. Everything here is
//! computed in the type of the arguments, except that operators which sum, forward or backward, compute half types in
//! f32. Only the products of convolutions and linear layers on a GPU are left to its library.

use std::ops::Range;

use candle_core::{D, Error, Result, Tensor};

use crate::{Window, cpu::smooth_maximum::LEAST_SHARPNESS, precision, sizes::check_memory};

/// Computes [`crate::relu`].
pub fn relu(xs: &Tensor) -> Result<Tensor> {
    let zeros = xs.zeros_like()?;
    // A comparison instead of a maximum keeps NaN.
    xs.le(&zeros)?.where_cond(&zeros, xs)
}

/// Computes [`crate::elu`].
pub fn elu(xs: &Tensor, alpha: f64) -> Result<Tensor> {
    // The branch that is not taken sees 0, so it cannot overflow. NaN takes the branch of the identity, as in PyTorch.
    let (zeros, exponential) = (xs.zeros_like()?, xs.le(0.)?);
    let negative = exponential.where_cond(xs, &zeros)?;
    exponential.where_cond(&((negative.exp()? - 1.)? * alpha)?, xs)
}

/// Computes [`crate::linear`] for an input (N, D).
pub fn linear(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if precision::is_half_on_cpu(&[xs, weight, bias.unwrap_or(weight)]) {
        return precision::weighted_in_f32(xs, weight, bias, linear);
    }
    add_bias(xs.matmul(&weight.t()?)?, bias)
}

/// Computes [`crate::conv2d`] without dilation and groups.
pub fn conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    if precision::is_half_on_cpu(&[xs, weight, bias.unwrap_or(weight)]) {
        return precision::weighted_in_f32(xs, weight, bias, |xs, weight, bias| conv2d(xs, weight, bias, window));
    }
    let (n, c, height, width) = xs.dims4()?;
    let output = window.output_size([height, width])?;
    let padded = window.padded_size([height, width])?;
    check_memory("conv2d: a padded batch", &[n, c, padded[0], padded[1]])?;
    let Window { kernel, stride, padding } = window.with_bounded_stride();
    // Candle's convolution has one padding for both axes, so the input is padded here. Candle's gradient assumes that
    // the kernel reaches the last row and column, so those that no kernel reaches are cut off.
    let [rows, columns] = [0, 1].map(|axis| (output[axis] - 1) * stride[axis] + kernel[axis]);
    let xs = xs.pad_with_zeros(2, padding[0], padding[0])?.pad_with_zeros(3, padding[1], padding[1])?;
    let xs = xs.narrow(2, 0, rows)?.narrow(3, 0, columns)?;
    let ys = if stride[0] == stride[1] {
        xs.conv2d(weight, 0, stride[0], 1, 1)?
    } else {
        // Candle's convolution has one stride for both axes, so all positions are computed and some are kept.
        let ys = xs.conv2d(weight, 0, 1, 1, 1)?;
        strided(&strided(&ys, 2, 0, stride[0], output[0])?, 3, 0, stride[1], output[1])?
    };
    add_bias(ys, bias.map(|bias| bias.reshape((1, (), 1, 1))).transpose()?.as_ref())
}

/// Computes [`crate::depthwise_conv2d`].
pub fn depthwise_conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    if precision::is_half(&[xs, weight, bias.unwrap_or(weight)]) {
        return precision::weighted_in_f32(xs, weight, bias, |xs, weight, bias| {
            depthwise_conv2d(xs, weight, bias, window)
        });
    }
    let channels = xs.dim(1)?;
    let kernels = weight.reshape((1, channels, 1, 1, ()))?;
    let ys = unfold(xs, window, 0.)?.broadcast_mul(&kernels)?.sum(D::Minus1)?;
    add_bias(ys, bias.map(|bias| bias.reshape((1, (), 1, 1))).transpose()?.as_ref())
}

/// Computes [`crate::max_pool2d`].
pub fn max_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    summed_in_f32(xs, |xs| max_last(&unfold(xs, window, f64::NEG_INFINITY)?))
}

/// Computes [`crate::avg_pool2d`].
pub fn avg_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    summed_in_f32(xs, |xs| unfold(xs, window, 0.)?.mean(D::Minus1))
}

/// Computes [`crate::adaptive_max_pool2d`] over the given ranges of rows and columns.
pub fn adaptive_max_pool2d(xs: &Tensor, rows: &[Range<usize>], columns: &[Range<usize>]) -> Result<Tensor> {
    summed_in_f32(xs, |xs| pool_grid(xs, rows, columns, max_last))
}

/// Computes [`crate::adaptive_avg_pool2d`] over the given ranges of rows and columns.
pub fn adaptive_avg_pool2d(xs: &Tensor, rows: &[Range<usize>], columns: &[Range<usize>]) -> Result<Tensor> {
    summed_in_f32(xs, |xs| pool_grid(xs, rows, columns, |cell| cell.mean(D::Minus1)))
}

/// Takes the maximum over the last axis; its gradient goes to the first maximum. NaN counts as the maximum, as in
/// PyTorch.
pub fn max_last(xs: &Tensor) -> Result<Tensor> {
    at_maximum(xs, &xs.detach())
}

/// Takes the values where the keys have their first maximum over the last axis.
pub(crate) fn at_maximum(xs: &Tensor, keys: &Tensor) -> Result<Tensor> {
    // Candle's argmax passes over NaN, so infinity stands for it there.
    let infinity = keys.ones_like()?.affine(f64::INFINITY, 0.)?;
    let winner = keys.eq(keys)?.where_cond(keys, &infinity)?.contiguous()?.argmax_keepdim(D::Minus1)?;
    xs.contiguous()?.gather(&winner, D::Minus1)?.squeeze(D::Minus1)
}

/// Computes [`crate::gem_pool`] for an input (N, C, positions).
pub fn gem_pool(xs: &Tensor, p: &Tensor) -> Result<Tensor> {
    let floor = xs.ones_like()?.affine(1e-6, 0.)?;
    // A comparison instead of a maximum keeps NaN.
    let clamped = xs.lt(&floor)?.where_cond(&floor, xs)?;
    // Powers of small features would underflow; their logarithms do not.
    lse_pool(&clamped.log()?, p)?.exp()
}

/// Computes [`crate::lse_pool`] for an input (N, C, positions).
pub fn lse_pool(xs: &Tensor, r: &Tensor) -> Result<Tensor> {
    let r = &at_least(r, LEAST_SHARPNESS)?;
    // Subtracting the maximum prevents an overflow. As a constant it changes neither the result nor the gradient.
    let shift = xs.detach().max_keepdim(D::Minus1)?;
    let mean = xs.broadcast_sub(&shift)?.broadcast_mul(r)?.exp()?.mean(2)?;
    mean.log()?.broadcast_div(r)? + shift.squeeze(2)?
}

/// Computes [`crate::cross_entropy`] for u32 targets below the number of classes.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[logits]) {
        return precision::in_f32([logits], |[logits]| cross_entropy(&logits, targets));
    }
    // Subtracting the maximum prevents an overflow. As a constant it changes neither the result nor the gradient.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum(D::Minus1)?.log()?;
    let picked = shifted.gather(&targets.contiguous()?.unsqueeze(1)?, 1)?.squeeze(1)?;
    (log_sum - picked)?.mean_all()
}

/// Replaces smaller values by `least`; NaN stays NaN. The gradient passes everywhere.
fn at_least(xs: &Tensor, least: f64) -> Result<Tensor> {
    let values = xs.detach();
    let floor = values.ones_like()?.affine(least, 0.)?;
    // The difference is 0, but passes the gradient.
    values.lt(&floor)?.where_cond(&((xs - &values)? + &floor)?, xs)
}

/// Computes an operator that sums, forward or backward: half types in f32, others in their own type.
fn summed_in_f32(xs: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if precision::is_half(&[xs]) { precision::in_f32([xs], |[xs]| f(&xs)) } else { f(xs) }
}

/// Adds a bias whose gradient is a sum over all positions.
fn add_bias(ys: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) if precision::is_half(&[&ys, bias]) => {
            precision::in_f32([&ys, bias], |[ys, bias]| ys.broadcast_add(&bias))
        }
        Some(bias) => ys.broadcast_add(bias),
        None => Ok(ys),
    }
}

/// Pools each rectangle of rows and columns with `pool`, which reduces the last axis of (N, C, positions).
fn pool_grid(
    xs: &Tensor,
    rows: &[Range<usize>],
    columns: &[Range<usize>],
    pool: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let mut cells = Vec::with_capacity(rows.len() * columns.len());
    for r in rows {
        for c in columns {
            let cell = xs.narrow(2, r.start, r.len())?.narrow(3, c.start, c.len())?;
            cells.push(pool(&cell.flatten_from(2)?)?);
        }
    }
    let (n, c) = (xs.dim(0)?, xs.dim(1)?);
    Tensor::stack(&cells, 2)?.reshape((n, c, rows.len(), columns.len()))
}

/// Lists what each window covers, (N, C, H, W) → (N, C, oh, ow, kh·kw), with `border` as the value of the padding.
fn unfold(xs: &Tensor, window: &Window, border: f64) -> Result<Tensor> {
    let (n, c, height, width) = xs.dims4()?;
    let output = window.output_size([height, width])?;
    let padded = window.padded_size([height, width])?;
    check_memory("a padded batch", &[n, c, padded[0], padded[1]])?;
    check_memory("the windows of a batch", &[n, c, output[0], output[1], window.kernel[0], window.kernel[1]])?;
    let xs = pad(&pad(xs, 2, window.padding[0], border)?, 3, window.padding[1], border)?;
    let mut shifted = Vec::with_capacity(window.kernel[0] * window.kernel[1]);
    for ky in 0..window.kernel[0] {
        let rows = strided(&xs, 2, ky, window.stride[0], output[0])?;
        for kx in 0..window.kernel[1] {
            shifted.push(strided(&rows, 3, kx, window.stride[1], output[1])?);
        }
    }
    Tensor::stack(&shifted, 4)
}

/// Pads both ends of an axis with a value.
fn pad(xs: &Tensor, axis: usize, padding: usize, value: f64) -> Result<Tensor> {
    if padding == 0 {
        return Ok(xs.clone());
    }
    let mut shape = xs.dims().to_vec();
    shape[axis] = padding;
    let border = Tensor::ones(shape, xs.dtype(), xs.device())?.affine(value, 0.)?;
    Tensor::cat(&[&border, xs, &border], axis)
}

/// Selects the positions `start, start + step, …` of an axis, `count` of them.
fn strided(xs: &Tensor, axis: usize, start: usize, step: usize, count: usize) -> Result<Tensor> {
    let index = |i| u32::try_from(start + i * step).map_err(|_| Error::msg("an axis of more than 2^32 is unsupported"));
    let indices = (0..count).map(index).collect::<Result<Vec<u32>>>()?;
    xs.contiguous()?.index_select(&Tensor::from_vec(indices, count, xs.device())?, axis)
}
