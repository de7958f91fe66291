use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor, bail};

use crate::{
    backward::hand_over_values,
    composed,
    cpu::{self, fast, read},
    precision,
};

/// Computes the mean softmax cross-entropy, like `torch.nn.functional.cross_entropy` with class indices as targets.
/// (There is no `ignore_index`: a negative target is an error.)
///
/// # Shapes
/// `logits` (N, K), `targets` (N) of u32 or i64 → scalar.
///
/// # Errors
/// Fails if the shapes do not fit each other, if there are no rows, or if a target is not a class.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// # fn main() -> candle_core::Result<()> {
/// let logits = Tensor::new(&[[0f32, 0.], [9., 9.]], &Device::Cpu)?;
/// let loss = ops::cross_entropy(&logits, &Tensor::new(&[0i64, 1], &Device::Cpu)?)?;
/// assert_eq!(loss.to_scalar::<f32>()?, 2f32.ln());
/// # Ok(())
/// # }
/// ```
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[logits]) {
        return precision::in_f32([logits], |[logits]| cross_entropy(&logits, targets));
    }
    let targets = class_indices(logits, targets)?;
    if fast(&[logits]) {
        return logits.contiguous()?.apply_op1(CrossEntropy { targets });
    }
    let rows = targets.len();
    composed::cross_entropy(logits, &Tensor::from_vec(targets, rows, logits.device())?)
}

/// Computes the mean softmax cross-entropy with label smoothing ε (Szegedy et al. 2015), like
/// `torch.nn.functional.cross_entropy` with `label_smoothing`: each target distribution is a mixture of the class (1 −
/// ε) and the uniform distribution over all classes (ε).
///
/// # Shapes
/// The same as for [`cross_entropy`].
///
/// # Errors
/// The same as for [`cross_entropy`]; fails also if `label_smoothing` is not between 0 and 1.
pub fn cross_entropy_smoothed(logits: &Tensor, targets: &Tensor, label_smoothing: f64) -> Result<Tensor> {
    if !(0. ..=1.).contains(&label_smoothing) {
        bail!("cross_entropy: a label smoothing of {label_smoothing} is not possible; it must be between 0 and 1")
    }
    if label_smoothing == 0. {
        return cross_entropy(logits, targets);
    }
    if precision::is_half(&[logits]) {
        return precision::in_f32([logits], |[logits]| cross_entropy_smoothed(&logits, targets, label_smoothing));
    }
    let of_class = cross_entropy(logits, targets)?;
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let of_uniform = log_sum.broadcast_sub(&shifted)?.mean_all()?;
    (of_class * (1. - label_smoothing))? + (of_uniform * label_smoothing)?
}

/// Returns the targets as numbers below the number of classes.
fn class_indices(logits: &Tensor, targets: &Tensor) -> Result<Vec<u32>> {
    let (rows, classes) = logits.dims2()?;
    if rows == 0 || targets.dims() != [rows] {
        let (logits, targets) = (logits.dims(), targets.dims());
        bail!("cross_entropy: targets {targets:?} do not fit logits {logits:?}; possible: (N) and (N, K) with N > 0")
    }
    let indices: Vec<i64> = match targets.dtype() {
        DType::U32 => targets.to_vec1::<u32>()?.into_iter().map(i64::from).collect(),
        DType::I64 => targets.to_vec1()?,
        dtype => bail!("cross_entropy: targets of {dtype:?} are not supported; possible: u32 and i64"),
    };
    // Checked here because candle's gather treats the largest u32 as "no index" and continues.
    if let Some(target) = indices.iter().find(|&&target| !(0..classes as i64).contains(&target)) {
        bail!("cross_entropy: target {target} is not a class; the logits have {classes} classes, numbered from 0")
    }
    Ok(indices.into_iter().map(|target| target as u32).collect())
}

struct CrossEntropy {
    /// The class of each row, below the number of classes.
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
        hand_over_values(logits, Some(gradient))
    }
}

/// Computes the mean binary cross-entropy of logits, like `torch.nn.functional.binary_cross_entropy_with_logits`, as
/// `max(x, 0) − x·y + log(1 + e^−|x|)`. This form does not overflow (candle's does) and keeps the gradient of large
/// logits.
///
/// # Shapes
/// `logits` and `targets` (probabilities from 0 to 1), of the same shape → scalar.
///
/// # Errors
/// Fails if the shapes differ.
pub fn bce_with_logits(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[logits, targets]) {
        return precision::in_f32([logits, targets], |[logits, targets]| bce_with_logits(&logits, &targets));
    }
    let zeros = logits.zeros_like()?;
    // A mask instead of a maximum and an absolute value makes the gradient at 0 exactly σ(0) − y.
    let positive = logits.gt(&zeros)?;
    let minus_abs = positive.where_cond(&logits.neg()?, logits)?;
    let softplus = (positive.where_cond(logits, &zeros)? + (minus_abs.exp()? + 1.)?.log()?)?;
    (softplus - (logits * targets)?)?.mean_all()
}
