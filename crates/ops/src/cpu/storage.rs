//! Access to the values of candle tensors.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor, bail};

use crate::sizes::product;

/// Returns whether the CPU kernels apply: all tensors are f32 on the CPU.
pub fn fast(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|t| t.device().is_cpu() && t.dtype() == DType::F32)
}

/// Returns the values of an argument that candle passes to a custom operator.
///
/// # Errors
/// Fails if the layout is not contiguous, if its sizes have a product that wraps, or if the values are not f32.
pub fn storage<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    product("a tensor", layout.dims())?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("internal: the CPU kernels take contiguous tensors, not the layout {layout:?}"),
    }
}

/// The values of a tensor, with the lock of its storage.
struct Values<S> {
    storage: S,
    range: Range<usize>,
}

impl<S: Deref<Target = Storage>> Deref for Values<S> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.clone()],
            _ => unreachable!("`read` has checked it"),
        }
    }
}

/// Returns the values of a tensor, without a copy.
///
/// # Errors
/// Fails if the tensor is not contiguous, not f32 or not on the CPU, or if its sizes have a product that wraps.
pub fn read(tensor: &Tensor) -> Result<impl Deref<Target = [f32]> + '_> {
    product("a tensor", tensor.dims())?;
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(_)), Some((start, end))) => Ok(Values { range: start..end, storage }),
        _ => bail!("internal: the CPU kernels take contiguous f32 tensors on the CPU, not {tensor:?}"),
    }
}
