use crate::init;
use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The named parameters of a model: a seeded store behind candle's `VarBuilder`. Clones share the parameters.
///
/// A name that is asked for the first time is drawn from the distribution that the layer names as a hint, by a ChaCha8
/// stream seeded by the store's seed and the full name and nothing else. So the order of construction does not matter,
/// and layers of the same name start alike in different models. A name asked for again gives the same parameter.
///
/// Running statistics (`running_mean`, `running_var`) are kept beside the parameters, saved, loaded and hashed with
/// them, but not [`trainable`](Self::trainable).
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
    seed: u64,
    pub(crate) device: Device,
    variables: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Parameters {
    /// An empty store; the parameters come into being when a model asks its [`builder`](Self::builder) for them.
    pub fn seeded(seed: u64, device: &Device) -> Self {
        Self { seed, device: device.clone(), variables: Arc::default() }
    }

    /// What models are built with. Everything is f32.
    pub fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, self.device.clone())
    }

    /// What an optimiser changes: everything but running statistics, sorted by name.
    pub fn trainable(&self) -> Vec<(String, Var)> {
        let mut variables = self.all();
        variables.retain(|(name, _)| !is_statistic(name));
        variables
    }

    /// Parameters and running statistics, sorted by name.
    pub fn all(&self) -> Vec<(String, Var)> {
        self.lock().iter().map(|(name, variable)| (name.clone(), variable.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        // A thread that panicked can't have left the map half changed.
        self.variables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes = self.all().into_iter().map(|(name, variable)| (name, variable.dims().to_vec()));
        f.debug_map().entries(shapes).finish()
    }
}

/// Of one model: 1 GiB of f32.
const MOST_VALUES: usize = 1 << 28;

fn is_statistic(name: &str) -> bool {
    matches!(name.rsplit('.').next(), Some("running_mean" | "running_var"))
}

impl SimpleBackend for Parameters {
    fn get(&self, shape: Shape, name: &str, hint: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut variables = self.lock();
        if let Some(variable) = variables.get(name) {
            if variable.shape() != &shape {
                bail!("parameter {name} has the shape {:?}, not {:?}", variable.dims(), shape.dims())
            }
            return self.hand_out(variable, name, dtype, device);
        }
        // Checked before anything is allocated: a slip of the finger must not fill the memory.
        let count = shape.dims().iter().try_fold(1usize, |count, &n| count.checked_mul(n));
        let others: usize = variables.values().map(|variable| variable.elem_count()).sum();
        if count.and_then(|count| count.checked_add(others)).is_none_or(|all| all > MOST_VALUES) {
            bail!("parameter {name} of {:?} makes the model larger than {MOST_VALUES} values", shape.dims())
        }
        let values = init::draw(hint, &shape, &mut layers::rng(self.seed, name, 0))
            .map_err(|error| error.context(format!("parameter {name}")))?;
        let variable = Var::from_vec(values, shape, &self.device)?;
        let tensor = self.hand_out(&variable, name, dtype, device)?;
        variables.insert(name.to_string(), variable);
        Ok(tensor)
    }

    /// Only what exists: without a shape nothing can be made.
    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        match self.lock().get(name) {
            Some(variable) => self.hand_out(variable, name, dtype, device),
            None => bail!("there is no parameter {name}, and without a shape none can be made"),
        }
    }

    /// Always: a parameter comes into being when it is asked for.
    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

impl Parameters {
    /// The tensor that is the variable. Converted it would be a copy, cut off from training, so conversion is refused.
    fn hand_out(&self, variable: &Var, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        if dtype != DType::F32 || !device.same_device(&self.device) {
            bail!("parameter {name} is f32 on {:?}; it can't be had as {dtype:?} on {device:?}", self.device)
        }
        Ok(variable.as_tensor().clone())
    }
}
