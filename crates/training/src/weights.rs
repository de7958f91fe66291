//! Weights to and from files, and their fingerprint.

use crate::Parameters;
use candle_core::{DType, Result, Tensor, bail, safetensors};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

impl Parameters {
    /// Writes all parameters and running statistics as safetensors (f32), under the names they have in PyTorch's
    /// `state_dict`: `load_state_dict(safetensors.torch.load_file(path))` takes them.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors: HashMap<_, _> =
            self.all().into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect();
        // Sorted by the format's writer, so equal weights are equal files.
        safetensors::save(&tensors, path).map_err(|error| error.with_path(path))
    }

    /// Takes over the weights of a safetensors file, one of [`save`](Self::save)'s or a PyTorch `state_dict`'s, into the
    /// parameters of a model that has been built. Counters of batches seen (`num_batches_tracked`) are passed over.
    ///
    /// # Errors
    /// A file that can't be read, and names and shapes that are not exactly the model's: the message says which are
    /// missing, left over, of another shape or of a type that can't become f32. Then no parameter has been changed.
    pub fn load(&self, path: &Path) -> Result<()> {
        self.take(path).map_err(|error| error.with_path(path))
    }

    fn take(&self, path: &Path) -> Result<()> {
        let mut found: BTreeMap<String, Tensor> = safetensors::load(path, &self.device)?.into_iter().collect();
        found.retain(|name, _| name.rsplit('.').next() != Some("num_batches_tracked"));
        let mut problems = Vec::new();
        let mut pairs = Vec::new();
        for (name, variable) in self.all() {
            match found.remove(&name) {
                None => problems.push(format!("{name} is missing")),
                Some(tensor) if tensor.dims() != variable.dims() => {
                    problems.push(format!("{name} has the shape {:?}, not {:?}", tensor.dims(), variable.dims()))
                }
                Some(tensor) => match tensor.to_dtype(DType::F32) {
                    Ok(tensor) => pairs.push((variable, tensor)),
                    Err(_) => problems.push(format!("{name} is {:?}, which can't become f32", tensor.dtype())),
                },
            }
        }
        problems.extend(found.keys().map(|name| format!("{name} is left over")));
        if !problems.is_empty() {
            bail!("the weights are not this model's: {}", problems.join(", "))
        }
        for (variable, tensor) in pairs {
            variable.set(&tensor)?;
        }
        Ok(())
    }

    /// A fingerprint of all parameters and running statistics: the SHA-256, in hexadecimal, over names, shapes and
    /// values in the names' order.
    ///
    /// # Errors
    /// A device that can't be read.
    pub fn sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for (name, variable) in self.all() {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(&name);
            hash.update((variable.rank() as u64).to_le_bytes());
            for &dim in variable.dims() {
                hash.update((dim as u64).to_le_bytes());
            }
            let values = variable.flatten_all()?.to_vec1::<f32>()?;
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            hash.update(bytes);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether all parameters and running statistics are finite numbers.
    pub(crate) fn is_finite(&self) -> Result<bool> {
        for (_, variable) in self.all() {
            // Infinity and NaN show in a sum of absolute values; weights that overflow it are past saving as well.
            let sum = variable.as_detached_tensor().abs()?.sum_all()?.to_scalar::<f32>()?;
            if !sum.is_finite() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
