use std::path::Path;

use candle_core::{Context, Device, Error, Result, Tensor, bail};
use layers::Mode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use training::{Model, Parameters};

use super::{DeepConvDti, DeepConvDtiConfig};

/// The key of the description in the file's metadata.
const KEY: &str = "deep-conv-dti";

/// A description of a trained [`DeepConvDti`]. It stands in the metadata of the weights' file as JSON, under the key `deep-conv-dti`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeepConvDtiInfo {
    /// The configuration of the network.
    pub config: DeepConvDtiConfig,
    /// The name of the data that the network was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// How the network was trained: for a run of the experiments, the configuration and its hash, as in the run's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Value>,
}

impl DeepConvDtiInfo {
    /// Reads the description from the metadata of a file of weights; `None` if the file has no such description.
    ///
    /// # Errors
    /// A file that cannot be read, and a description that is not one of a [`DeepConvDti`].
    pub fn find(path: &Path) -> Result<Option<Self>> {
        let Some(text) = training::metadata(path, KEY)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| Error::wrap(error).with_path(path))
    }

    /// Writes weights with this description to a safetensors file. An earlier file is replaced as a whole.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, parameters: &Parameters, path: &Path) -> Result<()> {
        parameters.save_with_metadata(path, KEY, serde_json::to_string(self).map_err(Error::wrap)?)
    }
}

/// A trained [`DeepConvDti`] that is ready to predict, with all that its file says about it.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use models::TrainedDeepConvDti;
/// # use models::{DeepConvDtiConfig, DeepConvDtiInfo, DeepConvDti};
/// # use training::Parameters;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("binding.safetensors");
/// # let config = DeepConvDtiConfig { length: 40, windows: vec![8], filters: 4, ..DeepConvDtiConfig::default() };
/// # let parameters = Parameters::seeded(0, &Device::Cpu);
/// # DeepConvDti::new(&config, parameters.builder())?;
/// # DeepConvDtiInfo { config, dataset: None, training: None }.save(&parameters, &path)?;
/// let trained = TrainedDeepConvDti::load(&path)?;
/// let protein = Tensor::new(&[[11u32, 1, 18, 15]], &Device::Cpu)?; // the residues MAKE
/// let drug = Tensor::zeros((1, 2048), DType::F32, &Device::Cpu)?;
/// let probability = trained.predict(&protein, &drug)?[0];
/// assert!((0. ..=1.).contains(&probability));
/// # Ok(())
/// # }
/// ```
pub struct TrainedDeepConvDti {
    /// The network.
    pub network: DeepConvDti,
    /// The description of the network and of the data that it was trained on.
    pub info: DeepConvDtiInfo,
}

impl TrainedDeepConvDti {
    /// Reads a trained network from a safetensors file that [`DeepConvDtiInfo::save`] or a run of the experiments wrote.
    ///
    /// # Errors
    /// A file that cannot be read, that is not one of such a network, or whose tensors do not fit its description.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let Some(info) = DeepConvDtiInfo::find(path)? else {
            bail!("{}: the file does not hold a trained DeepConv-DTI, or does not say so", path.display())
        };
        let parameters = Parameters::zeros(&Device::Cpu);
        let network =
            DeepConvDti::new(&info.config, parameters.builder()).with_context(|| path.display().to_string())?;
        parameters.load(path)?;
        Ok(Self { network, info })
    }

    /// Computes for each pair the probability that the drug binds the protein.
    ///
    /// # Shapes
    /// Ids (N, L) of u32 and fingerprints (N, bits) of f32 → N probabilities
    ///
    /// # Errors
    /// Inputs of other shapes.
    pub fn predict(&self, proteins: &Tensor, drugs: &Tensor) -> Result<Vec<f32>> {
        let logits = self.network.forward(&[proteins.clone(), drugs.clone()], Mode::Inference)?;
        candle_nn::ops::sigmoid(&logits.flatten_all()?)?.to_vec1()
    }
}
