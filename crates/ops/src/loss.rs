use candle_core::{D, DType, Result, Tensor, bail};

/// Mean softmax cross-entropy, as `torch.nn.functional.cross_entropy`.
///
/// # Shapes
/// `logits` (N, K), `targets` (N) of u32 class indices → scalar.
///
/// # Errors
/// Shapes that do not fit, no rows, or a target that is not below K.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    if targets.dims() != [rows] || targets.dtype() != DType::U32 {
        bail!("cross_entropy: {rows} rows of logits need {rows} u32 targets, not {targets:?}")
    }
    // Checked here because candle's gather takes the largest u32 for "nothing" and goes on.
    let largest = targets.max(0)?.to_scalar::<u32>()?;
    if largest as usize >= classes {
        bail!("cross_entropy: a target is {largest}, the logits have {classes} classes")
    }
    // A constant shift: it changes neither the result nor the gradient.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum(D::Minus1)?.log()?;
    let picked = shifted.gather(&targets.contiguous()?.unsqueeze(1)?, 1)?.squeeze(1)?;
    (log_sum - picked)?.mean_all()
}

/// Mean binary cross-entropy of logits, as `torch.nn.functional.binary_cross_entropy_with_logits`: the stable form
/// `max(x, 0) − x·y + log(1 + e^−|x|)`, which neither overflows nor loses the gradient where candle's does.
///
/// # Shapes
/// `logits` and `targets` (in 0..1) of the same shape → scalar.
pub fn bce_with_logits(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let zeros = logits.zeros_like()?;
    // Chosen by a mask rather than by max and abs, so that the gradient at 0 is exactly σ(0) − y.
    let positive = logits.gt(&zeros)?;
    let minus_abs = positive.where_cond(&logits.neg()?, logits)?;
    let softplus = (positive.where_cond(logits, &zeros)? + (minus_abs.exp()? + 1.)?.log()?)?;
    (softplus - (logits * targets)?)?.mean_all()
}
