use std::{collections::HashMap, fs, path::Path};

use candle_core::{DType, Error, Result, Tensor, bail};
use sha2::{Digest, Sha256};

use crate::{file, parameters::Parameters};

impl Parameters {
    /// Writes all parameters and running statistics to a safetensors file (f32), under the names of PyTorch's
    /// `state_dict`. PyTorch reads it with `load_state_dict(safetensors.torch.load_file(path))`. Equal weights give
    /// equal files. An earlier file is replaced as a whole, also if the program is killed.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write(path, self.tensors(), None)
    }

    /// Writes the file of [`save`](Self::save) with a text in its metadata, which [`metadata`] reads.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_with_metadata(&self, path: &Path, key: &str, text: String) -> Result<()> {
        write(path, self.tensors(), Some(HashMap::from([(key.to_string(), text)])))
    }

    /// Writes what [`save_with_metadata`](Self::save_with_metadata) does and, for each batch normalisation, PyTorch's
    /// counter `num_batches_tracked`, so that the file has all keys of a `state_dict`. The counter is 0, as batches are not
    /// counted here; PyTorch uses it only in a layer without momentum.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_state_dict(&self, path: &Path, key: &str, text: String) -> Result<()> {
        let mut tensors = self.tensors();
        for (name, variable) in self.all() {
            if let Some(norm) = name.strip_suffix("running_mean") {
                let counter = Tensor::zeros((), DType::I64, variable.device())?;
                tensors.push((format!("{norm}num_batches_tracked"), counter));
            }
        }
        write(path, tensors, Some(HashMap::from([(key.to_string(), text)])))
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        self.all().into_iter().map(|(name, variable)| (name, variable.as_detached_tensor())).collect()
    }

    /// Returns the fingerprint of the weights: the SHA-256, in hexadecimal, of the names, shapes and values of all
    /// parameters and running statistics, in the order of the names.
    ///
    /// # Errors
    /// A device that cannot be read.
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
        Ok(hex::encode(hash.finalize()))
    }
}

/// Writes tensors and at most one text to a safetensors file. The entries of a hash map have no order, and equal weights
/// should give equal files.
fn write(path: &Path, tensors: Vec<(String, Tensor)>, metadata: Option<HashMap<String, String>>) -> Result<()> {
    file::replace(path, &safetensors::serialize(tensors, metadata)?)
}

/// Reads a text from the metadata of a safetensors file; `None` if it has no such key.
///
/// # Errors
/// A file that cannot be read or is not a safetensors file.
pub fn metadata(path: &Path, key: &str) -> Result<Option<String>> {
    let bytes = fs::read(path).map_err(|error| Error::Io(error).with_path(path))?;
    match safetensors::SafeTensors::read_metadata(&bytes) {
        Ok((_, metadata)) => Ok(metadata.metadata().as_ref().and_then(|texts| texts.get(key).cloned())),
        Err(error) => bail!("{} is not a complete safetensors file: {error}", path.display()),
    }
}
