//! The contents of a checkpoint's file. All values are tensors of f32, named `parameters.NAME`, `moments.0.NAME` and
//! `moments.1.NAME`; everything else is JSON in the metadata.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use candle_core::{Error, Tensor, bail};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::Unusable;
use crate::{
    config::FitConfig,
    optimizer::{Optimizer, SlotState},
    parameters::Parameters,
    position::Position,
};

/// The version of the format. It changes whenever the meaning of a file does.
const FORMAT: u64 = 1;
/// The keys of the metadata.
const FORMAT_KEY: &str = "checkpoint_format";
const STATE_KEY: &str = "state";
const SHA256_KEY: &str = "sha256";

/// The state of a run between two steps.
#[derive(Debug)]
pub struct Checkpoint {
    pub position: Position,
    tensors: BTreeMap<String, Vec<f32>>,
    steps: BTreeMap<String, i32>,
}

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
struct State {
    run: String,
    config: FitConfig,
    position: Position,
    /// The number of steps that the optimiser has counted for each parameter.
    steps: BTreeMap<String, i32>,
}

/// Returns the contents of the file.
pub fn encode(
    position: &Position,
    run: &str,
    config: &FitConfig,
    parameters: &Parameters,
    optimizer: &Optimizer,
) -> candle_core::Result<Vec<u8>> {
    let mut tensors = BTreeMap::<String, (Vec<usize>, Vec<u8>)>::new();
    for (name, variable) in parameters.all() {
        let values = variable.flatten_all()?.to_vec1::<f32>()?;
        tensors.insert(parameter_key(&name), (variable.dims().to_vec(), to_bytes(&values)));
    }
    let mut steps = BTreeMap::new();
    for (name, state) in optimizer.state()? {
        steps.insert(name.clone(), state.steps);
        for (moment, values) in state.moments.iter().enumerate().filter(|(_, values)| !values.is_empty()) {
            tensors.insert(moment_key(moment, &name), (vec![values.len()], to_bytes(values)));
        }
    }
    let state = State { run: run.into(), config: config.clone(), position: position.clone(), steps };
    let state = serde_json::to_string(&state).map_err(Error::wrap)?;
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<candle_core::Result<Vec<_>>>()?;
    let sha256 = digest(&state, views.iter().map(|(name, view)| (*name, view.data())));
    let metadata = HashMap::from([
        (FORMAT_KEY.to_string(), FORMAT.to_string()),
        (STATE_KEY.to_string(), state),
        (SHA256_KEY.to_string(), sha256),
    ]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

impl Checkpoint {
    /// Reads a file; `None` if there is none.
    pub fn read(path: &Path, run: &str, parameters: &Parameters, config: &FitConfig) -> Result<Option<Self>, Unusable> {
        // Anything but a regular file, such as a pipe, might never end.
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::new(ErrorKind::InvalidInput, "this is not a regular file").into());
            }
            metadata => metadata?,
        };
        let checkpoint = Self::decode(&fs::read(path)?, run, config)?;
        checkpoint.check_model(parameters).map_err(Unusable::OtherModel)?;
        Ok(Some(checkpoint))
    }

    fn decode(bytes: &[u8], run: &str, config: &FitConfig) -> Result<Self, Unusable> {
        let damaged = |error: &dyn std::fmt::Display| Unusable::Damaged(error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let entry = |key: &str| header.metadata().as_ref().and_then(|metadata| metadata.get(key));
        let format = entry(FORMAT_KEY).and_then(|format| format.parse().ok());
        match format {
            Some(FORMAT) => {}
            Some(found) => return Err(Unusable::OtherFormat { found, readable: FORMAT }),
            None => return Err(damaged(&format!("its metadata has no `{FORMAT_KEY}`"))),
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let mut views = file.tensors();
        views.sort_by(|(a, _), (b, _)| a.cmp(b));
        let text = entry(STATE_KEY).ok_or_else(|| damaged(&format!("its metadata has no `{STATE_KEY}`")))?;
        let sha256 = digest(text, views.iter().map(|(name, view)| (name.as_str(), view.data())));
        if entry(SHA256_KEY) != Some(&sha256) {
            return Err(damaged(&"its contents do not have the hash in its metadata"));
        }
        let state: State = serde_json::from_str(text).map_err(|error| damaged(&error))?;
        if state.run != run {
            return Err(Unusable::OtherRun { found: state.run, expected: run.into() });
        }
        if state.config != *config {
            let [found, expected] = [&state.config, config].map(|config| format!("{config:?}"));
            return Err(Unusable::OtherRun { found, expected });
        }
        let tensors = views.iter().map(|(name, view)| (name.clone(), from_bytes(view.data()))).collect();
        Ok(Self { position: state.position, tensors, steps: state.steps })
    }

    /// Checks that there are values for exactly the parameters of the model.
    fn check_model(&self, parameters: &Parameters) -> Result<(), String> {
        let expected: BTreeMap<String, usize> = parameters
            .all()
            .into_iter()
            .map(|(name, variable)| (parameter_key(&name), variable.elem_count()))
            .collect();
        for (key, len) in &expected {
            match self.tensors.get(key) {
                Some(values) if values.len() == *len => {}
                Some(values) => return Err(format!("{key} has {} values, not {len}", values.len())),
                None => return Err(format!("{key} is missing")),
            }
        }
        let unknown = self.tensors.keys().find(|key| key.starts_with("parameters.") && !expected.contains_key(*key));
        unknown.map_or(Ok(()), |key| Err(format!("{key} is not in the model")))
    }

    /// Sets the model and the optimiser to this state, and returns the position.
    pub fn restore(mut self, parameters: &Parameters, optimizer: &mut Optimizer) -> candle_core::Result<Position> {
        for (name, variable) in parameters.all() {
            let Some(values) = self.tensors.remove(&parameter_key(&name)) else {
                bail!("the checkpoint lacks the parameter {name}")
            };
            variable.set(&Tensor::from_vec(values, variable.shape(), variable.device())?)?;
        }
        let mut states = BTreeMap::new();
        for (name, steps) in self.steps {
            let moments = [0, 1].map(|moment| self.tensors.remove(&moment_key(moment, &name)).unwrap_or_default());
            states.insert(name, SlotState { steps, moments });
        }
        optimizer.restore(states)?;
        Ok(self.position)
    }
}

fn parameter_key(name: &str) -> String {
    format!("parameters.{name}")
}

fn moment_key(moment: usize, name: &str) -> String {
    format!("moments.{moment}.{name}")
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// Returns the SHA-256 of the state and of the tensors, which are sorted by name.
fn digest<'a>(state: &str, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    hash.update((state.len() as u64).to_le_bytes());
    hash.update(state);
    for (name, bytes) in tensors {
        for part in [name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hex::encode(hash.finalize())
}
