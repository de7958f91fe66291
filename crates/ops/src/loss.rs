use crate::composed;
use crate::cpu::{self, fast, read};
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};

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
    if fast(&[logits]) {
        return logits.contiguous()?.apply_op1(CrossEntropy { targets: targets.to_vec1()? });
    }
    composed::cross_entropy(logits, targets)
}

struct CrossEntropy {
    /// Below the number of classes.
    targets: Vec<u32>,
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let loss = cpu::cross_entropy::forward(cpu::storage(storage, layout)?, &self.targets);
        Ok((CpuStorage::F32(vec![loss]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let gradient = cpu::cross_entropy::backward(&read(logits)?, &self.targets, grad.to_scalar()?);
        Ok(Some(Tensor::from_vec(gradient, logits.shape(), logits.device())?))
    }
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
