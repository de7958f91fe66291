use candle_core::{Result, Tensor, bail};

use crate::cpu::{self, fast, read};

/// Calls `f` with a buffer of `len` values that the thread keeps for the next call. Its contents are unspecified.
pub fn scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    cpu::scratch::with([len], |[buffer]| f(buffer))
}

/// Copies the values of a parameter.
pub(super) fn values(parameter: &Tensor) -> Result<Vec<f32>> {
    if !fast(&[parameter]) {
        let (dtype, device) = (parameter.dtype(), parameter.device());
        bail!(
            "weights of {dtype:?} on {device:?} cannot be prepared for inference: prepared operators take f32 on the \
             CPU only, the functions on tensors any type and device"
        )
    }
    Ok(read(&parameter.contiguous()?)?.to_vec())
}
