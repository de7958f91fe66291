//! The maximum of normalised outputs. Batch normalisation is affine in each channel, so the maximum is the normalised maximum
//! of the outputs where the scale is positive, and the normalised minimum where it is negative.

use candle_core::{Context, Result, Tensor, bail};

use super::{
    EmbeddingConv1d, add_bias,
    operator::{Moments, extremes},
};
use crate::{BatchStatistics, batch_norm, cpu::batch_norm::unbiasing_factor};

/// Computes `global_max_pool(batch_norm(embedding_conv1d(…)))` with the given statistics, without writing the map of outputs.
/// Mean and variance are constants for the gradient.
///
/// # Shapes
/// The same as for [`embedding_conv1d_max`](crate::embedding_conv1d_max), `gamma` and `beta` (F) → (N, F).
///
/// # Errors
/// The same as for [`embedding_conv1d_max`](crate::embedding_conv1d_max) and [`batch_norm`].
pub fn embedding_conv1d_batch_norm_max(
    conv: &EmbeddingConv1d,
    mask: Option<&Tensor>,
    gamma: &Tensor,
    beta: &Tensor,
    statistics: &BatchStatistics,
    eps: f64,
) -> Result<Tensor> {
    check(conv, gamma, beta)?;
    conv.in_f32(|conv| {
        let [gamma, beta] = like([gamma, beta], conv)?;
        let statistics = statistics.to_dtype(gamma.dtype())?;
        let extremes = extremes(conv, mask, &signs(&gamma)?, Moments::Unwanted)?;
        batch_norm(&add_bias(extremes, conv.bias)?, &gamma, &beta, &statistics, eps, false)
    })
}

/// Computes `global_max_pool(batch_norm_train(embedding_conv1d(…)))`, and returns the statistics of the batch with it. The map
/// of outputs is never written: its moments are summed while it is computed, and its gradient is computed tile by tile.
///
/// An increasing activation, such as ReLU or ELU, may follow the maximum instead of coming before it: the result is the same.
///
/// # Shapes
/// The same as for [`embedding_conv1d_max`](crate::embedding_conv1d_max), `gamma` and `beta` (F) → (N, F), and statistics (F).
///
/// # Errors
/// The same as for [`embedding_conv1d_max`](crate::embedding_conv1d_max) and [`batch_norm_train`](crate::batch_norm_train).
///
/// # Example
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ops::EmbeddingConv1d;
///
/// # fn main() -> candle_core::Result<()> {
/// let ids = Tensor::new(&[[0u32, 1, 1, 2], [2, 2, 0, 0]], &Device::Cpu)?;
/// let vectors = Tensor::randn(0f32, 1., (3, 5), &Device::Cpu)?;
/// let weight = Tensor::randn(0f32, 1., (8, 5, 3), &Device::Cpu)?;
/// let [gamma, beta] = [Tensor::ones(8, DType::F32, &Device::Cpu)?, Tensor::zeros(8, DType::F32, &Device::Cpu)?];
/// let conv = EmbeddingConv1d::new(&ids, &vectors, &weight).padding([1, 1]);
/// let (maxima, statistics) = ops::embedding_conv1d_batch_norm_max_train(&conv, None, &gamma, &beta, 1e-5)?;
/// assert_eq!((maxima.dims(), statistics.var.dims()), (&[2, 8][..], &[8][..]));
/// # Ok(())
/// # }
/// ```
pub fn embedding_conv1d_batch_norm_max_train(
    conv: &EmbeddingConv1d,
    mask: Option<&Tensor>,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
) -> Result<(Tensor, BatchStatistics)> {
    check(conv, gamma, beta)?;
    let mut statistics = None;
    let ys = conv.in_f32(|conv| {
        let [gamma, beta] = like([gamma, beta], conv)?;
        let (ys, of_batch) = normalised(conv, mask, &gamma, &beta, eps)?;
        statistics = Some(of_batch);
        Ok(ys)
    })?;
    let statistics = statistics.context("internal: no statistics")?.to_dtype(ys.dtype())?;
    Ok((ys, statistics))
}

/// Computes [`embedding_conv1d_batch_norm_max_train`] in any type but a half one.
fn normalised(
    conv: &EmbeddingConv1d,
    mask: Option<&Tensor>,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
) -> Result<(Tensor, BatchStatistics)> {
    let sizes = conv.sizes()?;
    let count = sizes.batch * sizes.positions;
    if count < 2 {
        bail!("embedding_conv1d: sequences {:?} have no variance; there must be more than one output", conv.ids.dims())
    }
    let all = extremes(conv, mask, &signs(gamma)?, Moments::Wanted)?;
    let extremes = all.narrow(0, 0, sizes.batch)?;
    let [mean, var] = [0, 1].map(|row| all.get(sizes.batch + row));
    let (mean, var) = (mean?, var?);
    let deviation = (&var + eps)?.sqrt()?;
    let normalised = extremes.broadcast_sub(&mean)?.broadcast_div(&deviation)?;
    let mut ys = normalised.broadcast_mul(gamma)?.broadcast_add(beta)?;
    let (mut mean, var) = (mean.detach(), var.detach().affine(unbiasing_factor(count), 0.)?);
    if let Some(bias) = conv.bias {
        // The bias only shifts the mean, which is subtracted, so it has no influence and its gradient is 0. Candle passes no
        // gradient through a multiplication by a number that is 0.
        ys = ys.broadcast_add(&(bias * bias.zeros_like()?)?)?;
        mean = (mean + bias.detach())?;
    }
    Ok((ys, BatchStatistics { mean, var }))
}

/// Fails unless there is a scale and a shift for each filter.
fn check(conv: &EmbeddingConv1d, gamma: &Tensor, beta: &Tensor) -> Result<()> {
    let filters = conv.weight.dim(0)?;
    if gamma.dims() != [filters] || beta.dims() != [filters] {
        let (gamma, beta) = (gamma.dims(), beta.dims());
        bail!("batch_norm: gamma {gamma:?} and beta {beta:?} do not fit {filters} filters; possible: (F)")
    }
    Ok(())
}

/// Converts parameters to the type of a convolution's vectors.
fn like<const N: usize>(parameters: [&Tensor; N], conv: &EmbeddingConv1d) -> Result<[Tensor; N]> {
    let mut converted = parameters.map(Clone::clone);
    for parameter in &mut converted {
        *parameter = parameter.to_dtype(conv.vectors.dtype())?;
    }
    Ok(converted)
}

/// Returns the sign of each scale: 1, −1 or 0.
fn signs(gamma: &Tensor) -> Result<Tensor> {
    let gamma = gamma.detach();
    gamma.gt(0.)?.to_dtype(gamma.dtype())? - gamma.lt(0.)?.to_dtype(gamma.dtype())?
}
