use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};

use crate::init;

/// The largest number of values in a model: 1 GiB of f32.
const MAX_VALUES: usize = 1 << 28;

/// The named parameters of a model: a seeded store behind candle's [`VarBuilder`]. Clones share the parameters.
///
/// The first request for a name creates the parameter. Its values come from the distribution that the layer asks for,
/// and from a ChaCha8 stream that only the store's seed and the full name determine. The order of construction
/// therefore does not matter, and layers of the same name start with the same weights in different models. Further
/// requests return the same parameter.
///
/// Running statistics (`running_mean`, `running_var`) are stored, saved, loaded and hashed with the parameters, but are
/// not [`trainable`](Self::trainable).
///
/// ```
/// use candle_core::Device;
/// use candle_nn::{Module, linear};
/// use training::Parameters;
///
/// # fn main() -> candle_core::Result<()> {
/// let parameters = Parameters::seeded(0, &Device::Cpu);
/// let layer = linear(3, 2, parameters.builder().pp("classifier"))?;
/// let names: Vec<String> = parameters.trainable().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["classifier.bias", "classifier.weight"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Parameters {
    /// The seed of the initial values; `None` leaves them 0.
    seed: Option<u64>,
    device: Device,
    variables: Arc<Mutex<BTreeMap<String, Var>>>,
    /// The paths of the frozen parameters.
    frozen: Arc<Mutex<Vec<String>>>,
}

impl Parameters {
    /// Returns an empty store. Building a model with its [`builder`](Self::builder) fills it.
    pub fn seeded(seed: u64, device: &Device) -> Self {
        Self { seed: Some(seed), device: device.clone(), variables: Arc::default(), frozen: Arc::default() }
    }

    /// Returns an empty store whose parameters are 0, to build a model that is not trained. Drawing the initial values of
    /// a large model takes much longer than building it.
    pub fn zeros(device: &Device) -> Self {
        Self { seed: None, device: device.clone(), variables: Arc::default(), frozen: Arc::default() }
    }

    /// Returns the builder that candle's layers, and those of this workspace, are constructed with. All parameters are
    /// f32.
    pub fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, self.device.clone())
    }

    /// Freezes the parameters whose path is `prefix` or begins with it: `features` freezes `features.0.weight`, but not
    /// `features2.weight`, and the empty prefix freezes all. Optimisers that are made afterwards do not update them. A model
    /// that is built afterwards does not compute their gradients either.
    ///
    /// Running statistics are not parameters: in training, batch normalisation updates them also where its weights are
    /// frozen. To leave a whole backbone as it is, freeze it in the model, by `Classifier::freeze_backbone` of the models
    /// here.
    ///
    /// ```
    /// use candle_core::Device;
    /// use candle_nn::linear;
    /// use training::Parameters;
    ///
    /// # fn main() -> candle_core::Result<()> {
    /// let parameters = Parameters::seeded(0, &Device::Cpu);
    /// parameters.freeze("features");
    /// linear(3, 4, parameters.builder().pp("features"))?;
    /// linear(4, 2, parameters.builder().pp("classifier"))?;
    /// let names: Vec<String> = parameters.trainable().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["classifier.bias", "classifier.weight"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn freeze(&self, prefix: &str) {
        lock(&self.frozen).push(prefix.to_string());
    }

    /// Replaces all parameters and running statistics whose path is `prefix` or begins with it by those of another store. A
    /// model that was built before keeps the old ones.
    ///
    /// This is how a part of a model is built anew, with other shapes: in an empty store, which then takes the place of the
    /// old parameters.
    ///
    /// # Errors
    /// A store of another device, and names that are not under the prefix.
    pub fn replace(&self, prefix: &str, other: &Parameters) -> Result<()> {
        let new = other.all();
        if let Some((name, _)) = new.iter().find(|(name, _)| !is_under(name, prefix)) {
            bail!("{name} does not lie under `{prefix}`, so it cannot replace what does")
        }
        if !other.device.same_device(&self.device) {
            bail!("parameters on {:?} cannot replace those on {:?}", other.device, self.device)
        }
        let mut variables = lock(&self.variables);
        variables.retain(|name, _| !is_under(name, prefix));
        variables.extend(new);
        Ok(())
    }

    /// Returns whether a parameter is frozen.
    fn is_frozen(&self, name: &str) -> bool {
        lock(&self.frozen).iter().any(|prefix| is_under(name, prefix))
    }

    /// Returns the parameters that an optimiser updates, sorted by name: all but the running statistics and those that are
    /// [frozen](Self::freeze).
    pub fn trainable(&self) -> Vec<(String, Var)> {
        let mut variables = self.all();
        variables.retain(|(name, _)| !is_running_statistic(name) && !self.is_frozen(name));
        variables
    }

    /// Returns all parameters and running statistics, sorted by name.
    pub fn all(&self) -> Vec<(String, Var)> {
        lock(&self.variables).iter().map(|(name, variable)| (name.clone(), variable.clone())).collect()
    }

    /// Returns the device that holds the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns whether all parameters and running statistics are finite.
    pub(crate) fn is_finite(&self) -> Result<bool> {
        for (_, variable) in self.all() {
            // Infinity and NaN propagate to the sum of absolute values. Weights so large that it overflows are useless
            // too.
            let sum = variable.as_detached_tensor().abs()?.sum_all()?.to_scalar::<f32>()?;
            if !sum.is_finite() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the tensor of a variable. Another type or device is refused, since a converted copy would not be
    /// trained.
    fn tensor(&self, variable: &Var, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        if dtype != DType::F32 || !device.same_device(&self.device) {
            bail!("parameter {name} is f32 on {:?}; it is not available as {dtype:?} on {device:?}", self.device)
        }
        if self.is_frozen(name) && !is_running_statistic(name) {
            return Ok(variable.as_detached_tensor());
        }
        Ok(variable.as_tensor().clone())
    }
}

/// Returns whether the path of a parameter is a prefix or begins with it.
pub(crate) fn is_under(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix);
    rest.is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('.'))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panics cannot leave a map or list in an inconsistent state.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_running_statistic(name: &str) -> bool {
    matches!(name.rsplit('.').next(), Some("running_mean" | "running_var"))
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes = self.all().into_iter().map(|(name, variable)| (name, variable.dims().to_vec()));
        f.debug_map().entries(shapes).finish()
    }
}

impl SimpleBackend for Parameters {
    fn get(&self, shape: Shape, name: &str, hint: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut variables = lock(&self.variables);
        if let Some(variable) = variables.get(name) {
            if variable.shape() != &shape {
                bail!("parameter {name} has the shape {:?}, not {:?}", variable.dims(), shape.dims())
            }
            return self.tensor(variable, name, dtype, device);
        }
        // Checked before anything is allocated, so that a typo does not exhaust the memory.
        let count = shape.dims().iter().try_fold(1usize, |count, &n| count.checked_mul(n));
        let others: usize = variables.values().map(|variable| variable.elem_count()).sum();
        if count.and_then(|count| count.checked_add(others)).is_none_or(|all| all > MAX_VALUES) {
            bail!("parameter {name} of {:?} makes the model larger than {MAX_VALUES} values", shape.dims())
        }
        let values = match self.seed {
            Some(seed) => init::draw(hint, &shape, &mut layers::rng(seed, name, 0))
                .map_err(|error| error.context(format!("parameter {name}")))?,
            None => vec![0.; shape.elem_count()],
        };
        let variable = Var::from_vec(values, shape, &self.device)?;
        let tensor = self.tensor(&variable, name, dtype, device)?;
        variables.insert(name.to_string(), variable);
        Ok(tensor)
    }

    /// Returns an existing parameter only: without a shape none can be created.
    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        match lock(&self.variables).get(name) {
            Some(variable) => self.tensor(variable, name, dtype, device),
            None => bail!("there is no parameter {name}, and none can be created without a shape"),
        }
    }

    /// Returns true for every name, since a request creates the parameter.
    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
