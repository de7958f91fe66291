use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    path::Path,
};

use candle_core::{DType, Error, Result, Tensor, bail, safetensors};
use sha2::{Digest, Sha256};

use crate::{file, parameters::Parameters};

/// The largest header of a safetensors file in bytes; the crate `safetensors` has the same limit.
const MAX_HEADER: u64 = 100_000_000;

impl Parameters {
    /// Writes all parameters and running statistics to a safetensors file (f32), under the names of PyTorch's
    /// `state_dict`. PyTorch reads it with `load_state_dict(safetensors.torch.load_file(path))`. Equal weights give
    /// equal files. An earlier file is replaced as a whole, also if the program is killed.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_with(path, None)
    }

    /// Writes the file of [`save`](Self::save) with a text in its metadata, which [`metadata`] reads.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_with_metadata(&self, path: &Path, key: &str, text: String) -> Result<()> {
        self.save_with(path, Some(HashMap::from([(key.to_string(), text)])))
    }

    // One entry only, as entries of a hash map have no order, and equal weights should give equal files.
    fn save_with(&self, path: &Path, metadata: Option<HashMap<String, String>>) -> Result<()> {
        let tensors = self.all().into_iter().map(|(name, variable)| (name, variable.as_detached_tensor()));
        file::replace(path, &::safetensors::serialize(tensors, metadata)?)
    }

    /// Reads the weights of a model that has been built, from a safetensors file that [`save`](Self::save) or PyTorch
    /// wrote. PyTorch's counters `num_batches_tracked` are ignored.
    ///
    /// # Errors
    /// A file that cannot be read, and tensors whose names or shapes are not exactly those of the model. The message
    /// lists all that are missing, unknown, of another shape or of a type that does not convert to f32. No parameter is
    /// changed in case of an error.
    pub fn load(&self, path: &Path) -> Result<()> {
        self.load_tensors(path).map_err(|error| error.with_path(path))
    }

    fn load_tensors(&self, path: &Path) -> Result<()> {
        let mut found: BTreeMap<String, Tensor> = safetensors::load(path, self.device())?.into_iter().collect();
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
                    Err(_) => problems.push(format!("{name} is {:?}, which does not convert to f32", tensor.dtype())),
                },
            }
        }
        problems.extend(found.keys().map(|name| format!("{name} is not in the model")));
        if !problems.is_empty() {
            bail!("the weights do not fit the model: {}", problems.join(", "))
        }
        for (variable, tensor) in pairs {
            variable.set(&tensor)?;
        }
        Ok(())
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

/// Reads a text from the metadata of a safetensors file, without the tensors; `None` if it has no such key.
///
/// # Errors
/// A file that cannot be read or is not a safetensors file.
pub fn metadata(path: &Path, key: &str) -> Result<Option<String>> {
    let read = || {
        let mut file = File::open(path)?;
        let mut header = vec![0; 8];
        file.read_exact(&mut header)?;
        let length = u64::from_le_bytes(header[..8].try_into().unwrap_or_default());
        // What is too long for a header is not read, and refused below.
        file.take(length.min(MAX_HEADER)).read_to_end(&mut header)?;
        Ok::<_, Error>(::safetensors::SafeTensors::read_metadata(&header)?.1)
    };
    let metadata = read().map_err(|error| error.with_path(path))?;
    Ok(metadata.metadata().as_ref().and_then(|texts| texts.get(key).cloned()))
}
