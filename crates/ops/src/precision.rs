//! The half types f16 and bf16. Candle sums them in their own type on the CPU, where the mean of 65,536 ones comes out
//! as 0.004 in bf16, and has no convolution of bf16 there. An operator that sums therefore computes in f32 and converts
//! its result back; the conversions pass gradients on.

use candle_core::{DType, Result, Tensor};

/// Returns whether all tensors have the same half type.
pub fn is_half(tensors: &[&Tensor]) -> bool {
    let same = tensors.windows(2).all(|pair| pair[0].dtype() == pair[1].dtype());
    same && tensors.first().is_some_and(|t| matches!(t.dtype(), DType::F16 | DType::BF16))
}

/// Returns whether all tensors have the same half type and lie in the CPU's memory.
pub fn is_half_on_cpu(tensors: &[&Tensor]) -> bool {
    is_half(tensors) && tensors.iter().all(|t| t.device().is_cpu())
}

/// Converts the tensors to f32.
pub fn to_f32<const N: usize>(tensors: [&Tensor; N]) -> Result<[Tensor; N]> {
    let mut converted = tensors.map(Clone::clone);
    for tensor in &mut converted {
        *tensor = tensor.to_dtype(DType::F32)?;
    }
    Ok(converted)
}

/// Applies `f` to the tensors in f32 and converts its result to the type of the first.
pub fn in_f32<const N: usize>(tensors: [&Tensor; N], f: impl FnOnce([Tensor; N]) -> Result<Tensor>) -> Result<Tensor> {
    f(to_f32(tensors)?)?.to_dtype(tensors[0].dtype())
}

/// Applies an operator with weights in f32 and converts its result to the type of `xs`.
pub fn weighted_in_f32(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    f: impl FnOnce(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>,
) -> Result<Tensor> {
    let bias = bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?;
    in_f32([xs, weight], |[xs, weight]| f(&xs, &weight, bias.as_ref()))
}
