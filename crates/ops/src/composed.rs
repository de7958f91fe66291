//! The operators as compositions of candle's, for devices and types without a kernel of their own: each uses only
//! candle operators whose gradient is exact. They are public because they double as the reference in tests.

use crate::Window;
use candle_core::{D, Result, Tensor};
use std::ops::Range;

/// See [`crate::relu`].
pub fn relu(xs: &Tensor) -> Result<Tensor> {
    let zeros = xs.zeros_like()?;
    // Written so that NaN stays NaN.
    xs.le(&zeros)?.where_cond(&zeros, xs)
}

/// See [`crate::linear`]; `xs` (N, D).
pub fn linear(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let ys = xs.matmul(&weight.t()?)?;
    match bias {
        Some(bias) => ys.broadcast_add(bias),
        None => Ok(ys),
    }
}

/// See [`crate::conv2d`]. Candle's convolution knows one padding and one stride for both axes: rows and columns are
/// padded beforehand, and where the strides differ all positions are computed and the wanted ones kept. Its gradient
/// takes the last row and column for seen by the kernel: what the stride leaves over is cut off.
pub fn conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    let Window { kernel, stride, padding } = *window;
    let (_, _, height, width) = xs.dims4()?;
    let output = window.output_size([height, width])?;
    let [rows, columns] = [0, 1].map(|axis| (output[axis] - 1) * stride[axis] + kernel[axis]);
    let xs = xs.pad_with_zeros(2, padding[0], padding[0])?.pad_with_zeros(3, padding[1], padding[1])?;
    let xs = xs.narrow(2, 0, rows)?.narrow(3, 0, columns)?;
    let ys = if stride[0] == stride[1] {
        xs.conv2d(weight, 0, stride[0], 1, 1)?
    } else {
        let ys = xs.conv2d(weight, 0, 1, 1, 1)?;
        every(&every(&ys, 2, 0, stride[0], None)?, 3, 0, stride[1], None)?
    };
    match bias {
        Some(bias) => ys.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(ys),
    }
}

/// See [`crate::depthwise_conv2d`].
pub fn depthwise_conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    let channels = xs.dim(1)?;
    let taps = weight.reshape((1, channels, 1, 1, ()))?;
    let ys = windows(xs, window, 0.)?.broadcast_mul(&taps)?.sum(D::Minus1)?;
    match bias {
        Some(bias) => ys.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(ys),
    }
}

/// See [`crate::max_pool2d`].
pub fn max_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    max_last(&windows(xs, window, f64::NEG_INFINITY)?)
}

/// See [`crate::avg_pool2d`].
pub fn avg_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    windows(xs, window, 0.)?.mean(D::Minus1)
}

/// See [`crate::adaptive_max_pool2d`]: the maximum of each rectangle of rows × columns.
pub fn adaptive_max_pool2d(xs: &Tensor, rows: &[Range<usize>], columns: &[Range<usize>]) -> Result<Tensor> {
    let mut cells = Vec::with_capacity(rows.len() * columns.len());
    for r in rows {
        for c in columns {
            let cell = xs.narrow(2, r.start, r.len())?.narrow(3, c.start, c.len())?;
            cells.push(max_last(&cell.flatten_from(2)?)?);
        }
    }
    let (n, c) = (xs.dim(0)?, xs.dim(1)?);
    Tensor::stack(&cells, 2)?.reshape((n, c, rows.len(), columns.len()))
}

/// The maximum over the last axis, with one winner for the gradient. NaN wins, as in PyTorch: it stands as infinity
/// where the winner is looked for.
pub fn max_last(xs: &Tensor) -> Result<Tensor> {
    let xs = xs.contiguous()?;
    let values = xs.detach();
    let infinity = values.ones_like()?.affine(f64::INFINITY, 0.)?;
    let winner = values.eq(&values)?.where_cond(&values, &infinity)?.argmax_keepdim(D::Minus1)?;
    xs.gather(&winner, D::Minus1)?.squeeze(D::Minus1)
}

/// (N, C, H, W) → (N, C, oh, ow, kh·kw): what lies under the window at each position.
fn windows(xs: &Tensor, window: &Window, border: f64) -> Result<Tensor> {
    let (_, _, height, width) = xs.dims4()?;
    let output = window.output_size([height, width])?;
    let xs = pad(&pad(xs, 2, window.padding[0], border)?, 3, window.padding[1], border)?;
    let mut shifted = Vec::with_capacity(window.kernel[0] * window.kernel[1]);
    for ky in 0..window.kernel[0] {
        let rows = every(&xs, 2, ky, window.stride[0], Some(output[0]))?;
        for kx in 0..window.kernel[1] {
            shifted.push(every(&rows, 3, kx, window.stride[1], Some(output[1]))?);
        }
    }
    Tensor::stack(&shifted, 4)
}

fn pad(xs: &Tensor, axis: usize, padding: usize, value: f64) -> Result<Tensor> {
    if padding == 0 {
        return Ok(xs.clone());
    }
    let mut shape = xs.dims().to_vec();
    shape[axis] = padding;
    let border = Tensor::ones(shape, xs.dtype(), xs.device())?.affine(value, 0.)?;
    Tensor::cat(&[&border, xs, &border], axis)
}

/// The slices `start, start + step, …` of an axis: `count` of them, or all there are.
fn every(xs: &Tensor, axis: usize, start: usize, step: usize, count: Option<usize>) -> Result<Tensor> {
    let count = count.unwrap_or((xs.dim(axis)? - start).div_ceil(step));
    let indices: Vec<u32> = (0..count).map(|i| (start + i * step) as u32).collect();
    xs.contiguous()?.index_select(&Tensor::from_vec(indices, count, xs.device())?, axis)
}

/// See [`crate::cross_entropy`]; the targets are checked there.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    // A constant shift: it changes neither the result nor the gradient.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum(D::Minus1)?.log()?;
    let picked = shifted.gather(&targets.contiguous()?.unsqueeze(1)?, 1)?.squeeze(1)?;
    (log_sum - picked)?.mean_all()
}
