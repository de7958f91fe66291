//! The operators as compositions of candle operators whose gradients are exact, for devices and types without a kernel.
//!
//! The functions of the crate's root choose between these and the kernels; tests compare the two. Everything here is
//! computed in the type of the arguments, half types included.

use std::ops::Range;

use candle_core::{D, Result, Tensor};

use crate::Window;

/// Computes [`crate::relu`].
pub fn relu(xs: &Tensor) -> Result<Tensor> {
    let zeros = xs.zeros_like()?;
    // A comparison instead of a maximum keeps NaN.
    xs.le(&zeros)?.where_cond(&zeros, xs)
}

/// Computes [`crate::elu`].
pub fn elu(xs: &Tensor, alpha: f64) -> Result<Tensor> {
    // The branch that is not taken sees 0, so it cannot overflow. NaN is not positive and stays NaN.
    let (zeros, positive) = (xs.zeros_like()?, xs.gt(0.)?);
    let negative = positive.where_cond(&zeros, xs)?;
    positive.where_cond(xs, &((negative.exp()? - 1.)? * alpha)?)
}

/// Computes [`crate::linear`] for an input (N, D).
pub fn linear(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let ys = xs.matmul(&weight.t()?)?;
    match bias {
        Some(bias) => ys.broadcast_add(bias),
        None => Ok(ys),
    }
}

/// Computes [`crate::conv2d`] without dilation and groups.
pub fn conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    let Window { kernel, stride, padding } = *window;
    let (_, _, height, width) = xs.dims4()?;
    let output = window.output_size([height, width])?;
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
    match bias {
        Some(bias) => ys.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(ys),
    }
}

/// Computes [`crate::depthwise_conv2d`].
pub fn depthwise_conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    let channels = xs.dim(1)?;
    let kernels = weight.reshape((1, channels, 1, 1, ()))?;
    let ys = unfold(xs, window, 0.)?.broadcast_mul(&kernels)?.sum(D::Minus1)?;
    match bias {
        Some(bias) => ys.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(ys),
    }
}

/// Computes [`crate::max_pool2d`].
pub fn max_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    max_last(&unfold(xs, window, f64::NEG_INFINITY)?)
}

/// Computes [`crate::avg_pool2d`].
pub fn avg_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    unfold(xs, window, 0.)?.mean(D::Minus1)
}

/// Computes [`crate::adaptive_max_pool2d`] over the given ranges of rows and columns.
pub fn adaptive_max_pool2d(xs: &Tensor, rows: &[Range<usize>], columns: &[Range<usize>]) -> Result<Tensor> {
    pool_grid(xs, rows, columns, max_last)
}

/// Computes [`crate::adaptive_avg_pool2d`] over the given ranges of rows and columns.
pub fn adaptive_avg_pool2d(xs: &Tensor, rows: &[Range<usize>], columns: &[Range<usize>]) -> Result<Tensor> {
    pool_grid(xs, rows, columns, |cell| cell.mean(D::Minus1))
}

/// Takes the maximum over the last axis; its gradient goes to the first maximum. NaN counts as the maximum, as in
/// PyTorch.
pub fn max_last(xs: &Tensor) -> Result<Tensor> {
    let xs = xs.contiguous()?;
    let values = xs.detach();
    // Candle's argmax passes over NaN, so infinity stands for it there.
    let infinity = values.ones_like()?.affine(f64::INFINITY, 0.)?;
    let winner = values.eq(&values)?.where_cond(&values, &infinity)?.argmax_keepdim(D::Minus1)?;
    xs.gather(&winner, D::Minus1)?.squeeze(D::Minus1)
}

/// Computes [`crate::cross_entropy`] for u32 targets below the number of classes.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    // Subtracting the maximum prevents an overflow. As a constant it changes neither the result nor the gradient.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum(D::Minus1)?.log()?;
    let picked = shifted.gather(&targets.contiguous()?.unsqueeze(1)?, 1)?.squeeze(1)?;
    (log_sum - picked)?.mean_all()
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
    let (_, _, height, width) = xs.dims4()?;
    let output = window.output_size([height, width])?;
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
    let indices: Vec<u32> = (0..count).map(|i| (start + i * step) as u32).collect();
    xs.contiguous()?.index_select(&Tensor::from_vec(indices, count, xs.device())?, axis)
}
