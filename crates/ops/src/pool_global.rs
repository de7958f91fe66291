//! Pooling of a whole feature map, over one or more spatial axes, to one value per channel.

use candle_core::{D, Result, Tensor, bail};

use crate::{
    composed,
    cpu::{fast, pool::Regions},
    pool_operator::{PoolKind, pool},
    precision,
};

/// Takes the average of each channel (Lin et al. 2013), like `torch.mean` over the spatial axes.
///
/// # Shapes
/// (N, C, L), (N, C, H, W) or more spatial axes → (N, C).
///
/// # Errors
/// Fails if the tensor has no spatial axes or is empty.
pub fn global_avg_pool(xs: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| global_avg_pool(&xs));
    }
    let xs = flatten_positions(xs)?;
    let divisor = xs.dim(2)?;
    if fast(&[&xs]) { global(&xs, PoolKind::Average { divisor }) } else { xs.mean(2) }
}

/// Takes the maximum of each channel (Oquab et al. 2015), like `torch.nn.functional.adaptive_max_pool2d(x, 1)`. The
/// gradient goes to one position per channel, the first maximum (candle's `max` sends it to every tied one).
///
/// # Shapes
/// The same as for [`global_avg_pool`].
///
/// # Errors
/// The same as for [`global_avg_pool`].
pub fn global_max_pool(xs: &Tensor) -> Result<Tensor> {
    if precision::is_half_on_cpu(&[xs]) {
        return precision::in_f32([xs], |[xs]| global_max_pool(&xs));
    }
    let xs = flatten_positions(xs)?;
    if fast(&[&xs]) { global(&xs, PoolKind::Max) } else { composed::max_last(&xs) }
}

/// The smallest parameter of [`gem_pool`] and [`lse_pool`]. Further down the result would differ from its limit, a mean,
/// by less than by rounding, because it is divided by the parameter.
const LEAST_SHARPNESS: f64 = 1e-3;

/// Takes the generalised mean of each channel (GeM, Radenović et al. 2018), `(mean clamp(x, 1e-6)^p)^(1/p)`: the
/// average of non-negative features at p = 1, and the maximum as p → ∞.
///
/// A `p` that training has made smaller than 1e-3, zero or negative counts as 1e-3, where the result is close to the
/// geometric mean. It still gets the gradient of that value, so that it can grow again.
///
/// # Shapes
/// `xs` as for [`global_avg_pool`], `p` (1) → (N, C).
///
/// # Errors
/// The same as for [`global_avg_pool`]; fails also if `p` has another shape.
pub fn gem_pool(xs: &Tensor, p: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[xs, p]) {
        return precision::in_f32([xs, p], |[xs, p]| gem_pool(&xs, &p));
    }
    check_parameter("gem_pool", "p", p)?;
    let xs = flatten_positions(xs)?;
    let floor = xs.ones_like()?.affine(1e-6, 0.)?;
    // A comparison instead of a maximum keeps NaN.
    let clamped = xs.lt(&floor)?.where_cond(&floor, &xs)?;
    // Powers of small features would underflow; their logarithms do not.
    lse_pool(&clamped.log()?, p)?.exp()
}

/// Takes the log-mean-exp of each channel (Pinheiro & Collobert 2015), `(1/r) log mean exp(r·x)`: the average as r → 0,
/// and the maximum as r → ∞.
///
/// An `r` that training has made smaller than 1e-3, zero or negative counts as 1e-3, where the result is close to the
/// average. It still gets the gradient of that value, so that it can grow again.
///
/// # Shapes
/// `xs` as for [`global_avg_pool`], `r` (1) → (N, C).
///
/// # Errors
/// The same as for [`global_avg_pool`]; fails also if `r` has another shape.
pub fn lse_pool(xs: &Tensor, r: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[xs, r]) {
        return precision::in_f32([xs, r], |[xs, r]| lse_pool(&xs, &r));
    }
    check_parameter("lse_pool", "r", r)?;
    let (xs, r) = (flatten_positions(xs)?, &at_least(r, LEAST_SHARPNESS)?);
    // Subtracting the maximum prevents an overflow. As a constant it changes neither the result nor the gradient.
    let shift = xs.detach().max_keepdim(D::Minus1)?;
    let mean = xs.broadcast_sub(&shift)?.broadcast_mul(r)?.exp()?.mean(2)?;
    mean.log()?.broadcast_div(r)? + shift.squeeze(2)?
}

/// Refuses a learnable parameter that is not a single number.
fn check_parameter(operator: &str, name: &str, parameter: &Tensor) -> Result<()> {
    if parameter.dims() != [1] {
        bail!("{operator}: a parameter {name} of shape {:?} is not possible; it must be (1)", parameter.dims())
    }
    Ok(())
}

/// Replaces smaller values by `least`; NaN stays NaN. The gradient passes everywhere.
fn at_least(xs: &Tensor, least: f64) -> Result<Tensor> {
    let values = xs.detach();
    let floor = values.ones_like()?.affine(least, 0.)?;
    // The difference is 0, but passes the gradient.
    values.lt(&floor)?.where_cond(&((xs - &values)? + &floor)?, xs)
}

/// Reshapes (N, C, …) to (N, C, positions).
fn flatten_positions(xs: &Tensor) -> Result<Tensor> {
    if xs.rank() < 3 || xs.elem_count() == 0 {
        bail!("global pooling of {:?}: a feature map must be (N, C, L) or (N, C, H, W) and not empty", xs.dims())
    }
    xs.flatten_from(2)
}

fn global(xs: &Tensor, kind: PoolKind) -> Result<Tensor> {
    pool(&xs.unsqueeze(2)?, Regions::whole([1, xs.dim(2)?]), kind)?.flatten_from(1)
}
