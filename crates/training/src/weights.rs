use std::{collections::HashMap, fs, path::Path};

use candle_core::{DType, Error, Result, Tensor, Var, bail};
use sha2::{Digest, Sha256};

use crate::{
    file,
    parameters::{Parameters, is_under},
    rename::rename,
    weights_file,
};

/// The result of [`Parameters::load_matching`]: the names of the tensors that it took from a file, and of those that it left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Matching {
    /// The names of the parameters and running statistics that were loaded. All others stay as they were.
    pub loaded: Vec<String>,
    /// The tensors of the file that were not used, each with the reason.
    pub skipped: Vec<String>,
}

/// The tensors of a file, compared with the parameters of a model.
#[derive(Default)]
struct Fit {
    /// The tensors that fit, with their parameters.
    pairs: Vec<(String, Var, Tensor)>,
    /// A description of each tensor that fits by name only, with what is wrong with it.
    misfits: Vec<String>,
    /// The parameters that the file lacks, with their shapes.
    missing: Vec<(String, Vec<usize>)>,
    /// The tensors that the model lacks, with their shapes.
    unknown: Vec<(String, Vec<usize>)>,
}

impl Fit {
    /// Sets the parameters to the tensors that fit.
    fn apply(self) -> Result<()> {
        self.pairs.into_iter().try_for_each(|(_, variable, tensor)| variable.set(&tensor))
    }
}

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

    /// Writes the file of [`save_with_metadata`](Self::save_with_metadata) with PyTorch's counter `num_batches_tracked` for
    /// each batch normalisation, so that it has all keys of a `state_dict`. The counters are 0: batches are not counted here,
    /// and PyTorch uses the number only in a layer without momentum.
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

    /// Reads the weights of a model that has been built, from a file that [`save`](Self::save) or PyTorch wrote: a
    /// safetensors file, or a `state_dict` by `torch.save`. PyTorch's counters `num_batches_tracked` are ignored.
    ///
    /// # Errors
    /// A file that cannot be read, and tensors whose names or shapes are not exactly those of the model. The message
    /// lists all that are missing, unknown, of another shape or of a type that does not convert to f32, and says which
    /// names should be changed if that would help. No parameter is changed in case of an error.
    pub fn load(&self, path: &Path) -> Result<()> {
        self.load_prefix(path, "")
    }

    /// Reads one part of a model, as [`load`](Self::load) reads a whole one: what lies under `prefix`, such as
    /// `features.0.weight` under `features`. Other tensors of the file are ignored, and other parameters of the model stay
    /// as they are.
    ///
    /// # Errors
    /// Those of [`load`](Self::load) for what lies under the prefix, and a prefix under which the model has no parameters.
    pub fn load_prefix(&self, path: &Path, prefix: &str) -> Result<()> {
        let fit = self.fit_file(path, prefix)?;
        if !prefix.is_empty() && fit.pairs.is_empty() && fit.misfits.is_empty() && fit.missing.is_empty() {
            bail!("the model has no parameters under `{prefix}`; a prefix is a whole path, such as `features`")
        }
        let missing = fit.missing.iter().map(|(name, _)| format!("{name} is missing"));
        let unknown = fit.unknown.iter().map(|(name, _)| format!("{name} is not in the model"));
        let problems: Vec<String> = fit.misfits.iter().cloned().chain(missing).chain(unknown).collect();
        if !problems.is_empty() {
            let hint = rename(&fit.missing, &fit.unknown).map_or(String::new(), |hint| format!("; {hint}"));
            bail!("{}: the weights do not fit the model: {}{hint}", path.display(), problems.join(", "))
        }
        fit.apply()
    }

    /// Reads those weights of a file that fit the model by name and shape, such as those of a backbone that gets a head for
    /// other classes. The other parameters stay as they are. See [`load`](Self::load) for the files.
    ///
    /// # Errors
    /// A file that cannot be read, and one of which nothing fits.
    pub fn load_matching(&self, path: &Path) -> Result<Matching> {
        let fit = self.fit_file(path, "")?;
        if fit.pairs.is_empty() {
            let hint = rename(&fit.missing, &fit.unknown).map_or(String::new(), |hint| format!("; {hint}"));
            bail!("{}: none of the weights fits the model{hint}", path.display())
        }
        let loaded = fit.pairs.iter().map(|(name, ..)| name.clone()).collect();
        let unused = fit.unknown.iter().map(|(name, _)| format!("{name} is not in the model"));
        let skipped = fit.misfits.iter().cloned().chain(unused).collect();
        fit.apply()?;
        Ok(Matching { loaded, skipped })
    }

    /// Compares the tensors of a file with the parameters of the model, in both only those under a prefix.
    fn fit_file(&self, path: &Path, prefix: &str) -> Result<Fit> {
        let mut found = weights_file::read(path, self.device())?;
        found.retain(|name, _| is_under(name, prefix));
        let mut fit = Fit::default();
        for (name, variable) in self.all().into_iter().filter(|(name, _)| is_under(name, prefix)) {
            match found.remove(&name) {
                None => fit.missing.push((name, variable.dims().to_vec())),
                Some(tensor) if tensor.dims() != variable.dims() => {
                    fit.misfits.push(format!("{name} has the shape {:?}, not {:?}", tensor.dims(), variable.dims()))
                }
                Some(tensor) => match tensor.to_dtype(DType::F32) {
                    Ok(tensor) => fit.pairs.push((name, variable, tensor)),
                    Err(_) => {
                        fit.misfits.push(format!("{name} is {:?}, which does not convert to f32", tensor.dtype()));
                    }
                },
            }
        }
        fit.unknown = found.into_iter().map(|(name, tensor)| (name, tensor.dims().to_vec())).collect();
        Ok(fit)
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

/// Writes tensors to a safetensors file, with at most one text: the entries of a hash map have no order, and equal weights
/// should give equal files.
fn write(path: &Path, tensors: Vec<(String, Tensor)>, metadata: Option<HashMap<String, String>>) -> Result<()> {
    file::replace(path, &::safetensors::serialize(tensors, metadata)?)
}

/// Reads a text from the metadata of a safetensors file; `None` if it has no such key.
///
/// # Errors
/// A file that cannot be read or is not a safetensors file.
pub fn metadata(path: &Path, key: &str) -> Result<Option<String>> {
    let bytes = fs::read(path).map_err(|error| Error::Io(error).with_path(path))?;
    match ::safetensors::SafeTensors::read_metadata(&bytes) {
        Ok((_, metadata)) => Ok(metadata.metadata().as_ref().and_then(|texts| texts.get(key).cloned())),
        Err(error) => bail!("{} is not a complete safetensors file: {error}", path.display()),
    }
}
