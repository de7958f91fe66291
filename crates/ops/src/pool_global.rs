//! Pooling of a whole feature map, over one or more spatial axes, to one value per channel.

use crate::composed;
use crate::cpu::{fast, pool::Regions};
use crate::pool::{Kind, pool};
use candle_core::{D, Result, Tensor, bail};

/// The average of each channel (Lin et al. 2013), as `torch.mean` over the spatial axes.
///
/// # Shapes
/// (N, C, L), (N, C, H, W) or more spatial axes → (N, C).
///
/// # Errors
/// A tensor without spatial axes, or empty ones.
pub fn global_avg_pool(xs: &Tensor) -> Result<Tensor> {
    let xs = positions(xs)?;
    let divisor = xs.dim(2)?;
    if fast(&[&xs]) { global(&xs, Kind::Average { divisor }) } else { xs.mean(2) }
}

/// The maximum of each channel (Oquab et al. 2015), as `torch.nn.functional.adaptive_max_pool2d(x, 1)`: the gradient
/// goes to one position per channel, the first maximum (candle's `max` sends it to every tie).
///
/// # Shapes and errors
/// As [`global_avg_pool`].
pub fn global_max_pool(xs: &Tensor) -> Result<Tensor> {
    let xs = positions(xs)?;
    if fast(&[&xs]) { global(&xs, Kind::Max) } else { composed::max_last(&xs) }
}

/// Generalised mean (Radenović et al. 2018, GeM): `(mean clamp(x, 1e-6)^p)^(1/p)`, the average at p = 1 (of
/// non-negative features) and the maximum as p → ∞.
///
/// # Shapes
/// `xs` as [`global_avg_pool`], `p` (1) → (N, C).
///
/// # Errors
/// As [`global_avg_pool`].
pub fn gem_pool(xs: &Tensor, p: &Tensor) -> Result<Tensor> {
    let xs = positions(xs)?;
    let floor = xs.ones_like()?.affine(1e-6, 0.)?;
    // Written so that NaN stays NaN.
    let clamped = xs.lt(&floor)?.where_cond(&floor, &xs)?;
    // In logarithms, since the power of small features underflows.
    lse_pool(&clamped.log()?, p)?.exp()
}

/// Log-sum-exp (Pinheiro & Collobert 2015): `(1/r) log mean exp(r·x)`, the average as r → 0 and the maximum as r → ∞.
///
/// # Shapes
/// `xs` as [`global_avg_pool`], `r` (1) → (N, C).
///
/// # Errors
/// As [`global_avg_pool`].
pub fn lse_pool(xs: &Tensor, r: &Tensor) -> Result<Tensor> {
    let xs = positions(xs)?;
    // The formula holds for any shift; a constant one keeps the gradient and nothing overflows.
    let shift = xs.detach().max_keepdim(D::Minus1)?;
    let mean = xs.broadcast_sub(&shift)?.broadcast_mul(r)?.exp()?.mean(2)?;
    mean.log()?.broadcast_div(r)? + shift.squeeze(2)?
}

/// (N, C, …) as (N, C, positions).
fn positions(xs: &Tensor) -> Result<Tensor> {
    if xs.rank() < 3 || xs.elem_count() == 0 {
        bail!("global pooling takes a feature map (N, C, L) or (N, C, H, W), not {:?}", xs.dims())
    }
    xs.flatten_from(2)
}

fn global(xs: &Tensor, kind: Kind) -> Result<Tensor> {
    pool(&xs.unsqueeze(2)?, Regions::whole([1, xs.dim(2)?]), kind)?.flatten_from(1)
}
