use std::{collections::BTreeMap, fmt, path::Path};

use candle_core::{DType, Result, Tensor, Var, bail};

use crate::{
    parameters::{Parameters, is_under},
    rename::Renaming,
    state_dict,
};

/// What [`Parameters::load_matching`] did, by the names of tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Matching {
    /// The parameters and running statistics that were loaded.
    pub loaded: Vec<String>,
    /// The tensors of the file that were skipped, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// The parameters and running statistics that keep their values, since the file has no tensor that fits.
    pub kept: Vec<String>,
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "loaded {} of {} tensors", self.loaded.len(), self.loaded.len() + self.kept.len())?;
        if !self.kept.is_empty() {
            write!(f, "; not in the file, so left as they were: {}", self.kept.join(", "))?;
        }
        let skipped: Vec<_> = self.skipped.iter().map(|(name, reason)| format!("{name} {reason}")).collect();
        if !skipped.is_empty() {
            write!(f, "; skipped: {}", skipped.join(", "))?;
        }
        Ok(())
    }
}

impl Parameters {
    /// Reads the weights of a model that has been built: from a safetensors file that [`save`](Self::save) or PyTorch
    /// wrote, or from a file that `torch.save` wrote, which holds a `state_dict` by itself or under the key `state_dict`,
    /// `model_state_dict` or `model`. PyTorch's counters `num_batches_tracked` are ignored.
    ///
    /// # Errors
    /// A file that cannot be read, and tensors whose names or shapes are not exactly those of the model. The message
    /// lists all that are missing, unknown, of another shape or of a type that does not convert to f32, and says which
    /// names would have to be changed if that is all. No parameter is changed in case of an error.
    pub fn load(&self, path: &Path) -> Result<()> {
        self.read(path, "").and_then(Fit::load_all).map_err(|error| error.with_path(path))
    }

    /// Reads one part of a model from a file, as [`load`](Self::load) reads a whole one: the parameters and running
    /// statistics whose path begins with `prefix`, such as `features` for `features.0.weight`. Tensors of the file that lie
    /// elsewhere are ignored, and so are the other parameters of the model.
    ///
    /// # Errors
    /// Those of [`load`](Self::load), for the tensors under the prefix, and a prefix under which the model has no
    /// parameters.
    pub fn load_prefix(&self, path: &Path, prefix: &str) -> Result<()> {
        let load = |fit: Fit| {
            if fit.pairs.is_empty() && fit.missing.is_empty() && fit.misfits.is_empty() {
                bail!("the model has no parameters under `{prefix}`")
            }
            fit.load_all()
        };
        self.read(path, prefix).and_then(load).map_err(|error| error.with_path(path))
    }

    /// Reads from a file, as [`load`](Self::load) does, all tensors whose names and shapes are those of the model, and
    /// returns what it loaded and what it did not. So a backbone can be taken from a network of other classes:
    ///
    /// ```
    /// use candle_core::Device;
    /// use candle_nn::linear;
    /// use training::Parameters;
    ///
    /// # fn main() -> candle_core::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("weights.safetensors");
    /// let build = |classes| {
    ///     let parameters = Parameters::seeded(classes as u64, &Device::Cpu);
    ///     linear(3, 4, parameters.builder().pp("features"))?;
    ///     linear(4, classes, parameters.builder().pp("classifier"))?;
    ///     Ok::<_, candle_core::Error>(parameters)
    /// };
    /// build(10)?.save(&path)?;
    ///
    /// let matching = build(2)?.load_matching(&path)?;
    /// assert_eq!(matching.loaded, ["features.bias", "features.weight"]);
    /// assert_eq!(matching.kept, ["classifier.bias", "classifier.weight"]);
    /// assert_eq!(matching.skipped[0].1, "has the shape [10], not [2]");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A file that cannot be read or of which no tensor fits.
    pub fn load_matching(&self, path: &Path) -> Result<Matching> {
        self.read(path, "").and_then(Fit::load_matching).map_err(|error| error.with_path(path))
    }

    /// Compares the tensors of a file with the parameters, both under a prefix only unless it is empty.
    fn read(&self, path: &Path, prefix: &str) -> Result<Fit> {
        let mut unknown = state_dict::read(path, self.device())?;
        unknown.retain(|name, _| is_under(name, prefix));
        let mut fit = Fit { pairs: Vec::new(), misfits: Vec::new(), missing: Vec::new(), unknown };
        for (name, variable) in self.all().into_iter().filter(|(name, _)| is_under(name, prefix)) {
            match fit.unknown.remove(&name) {
                None => fit.missing.push((name, variable.dims().to_vec())),
                Some(tensor) if tensor.dims() != variable.dims() => {
                    fit.misfits.push((name, format!("has the shape {:?}, not {:?}", tensor.dims(), variable.dims())));
                }
                Some(tensor) => match tensor.to_dtype(DType::F32) {
                    Ok(tensor) => fit.pairs.push((name, variable, tensor)),
                    Err(_) => {
                        fit.misfits.push((name, format!("is {:?}, which does not convert to f32", tensor.dtype())));
                    }
                },
            }
        }
        Ok(fit)
    }
}

/// How the tensors of a file fit a model.
struct Fit {
    /// The variables that get a tensor.
    pairs: Vec<(String, Var, Tensor)>,
    /// The tensors of the file whose shape or type is wrong, with what is wrong.
    misfits: Vec<(String, String)>,
    /// The parameters that the file does not have, with their shapes.
    missing: Vec<(String, Vec<usize>)>,
    /// The tensors that the model does not have.
    unknown: BTreeMap<String, Tensor>,
}

impl Fit {
    /// Sets all parameters, or fails with all reasons why the file does not fit.
    fn load_all(self) -> Result<()> {
        let mut problems: Vec<String> = self.missing.iter().map(|(name, _)| format!("{name} is missing")).collect();
        problems.extend(self.misfits.iter().map(|(name, reason)| format!("{name} {reason}")));
        problems.extend(self.unknown.keys().map(|name| format!("{name} is not in the model")));
        if !problems.is_empty() {
            let hint = Renaming::find(&self.unknown, &self.missing).map_or(String::new(), |hint| format!("; {hint}"));
            bail!("the weights do not fit the model: {}{hint}", problems.join(", "))
        }
        self.set()
    }

    fn load_matching(self) -> Result<Matching> {
        if self.pairs.is_empty() {
            // Says why not, and which names would have to be changed.
            self.load_all()?;
            bail!("the model has no parameters that could be loaded")
        }
        let mut skipped = self.misfits.clone();
        skipped.extend(self.unknown.keys().map(|name| (name.clone(), "is not in the model".to_string())));
        let mut kept: Vec<String> = self.missing.iter().map(|(name, _)| name.clone()).collect();
        kept.extend(self.misfits.iter().map(|(name, _)| name.clone()));
        kept.sort();
        let loaded = self.pairs.iter().map(|(name, ..)| name.clone()).collect();
        self.set()?;
        Ok(Matching { loaded, skipped, kept })
    }

    fn set(&self) -> Result<()> {
        self.pairs.iter().try_for_each(|(_, variable, tensor)| variable.set(tensor))
    }
}
