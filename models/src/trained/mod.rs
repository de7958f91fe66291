//! Trained networks in files.

mod graph;
mod info;
mod prediction;

pub use info::NetworkInfo;
pub use prediction::{ClassProbability, Prediction};

use std::path::Path;

use candle_core::{Context, Device, Result, Tensor, bail};
use heads::HeadConfig;
use layers::{Layer, Mode};
use localisation::Upsampling;
use training::Parameters;

use crate::Classifier;

/// A trained network that is ready to predict, with all that its file says about it.
///
/// The file is a safetensors file with PyTorch's parameter names, and its metadata says how the network is built, what its
/// classes are called and how images are standardised. So nothing else is needed to use it:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// # use datasets::Standardization;
/// # use models::{ModelName, NetworkInfo, Trained};
/// # use training::Parameters;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("digits.safetensors");
/// # let info = NetworkInfo {
/// #     model: "two-conv".parse()?,
/// #     head: "gap-fc".parse()?,
/// #     input: [1, 28, 28],
/// #     classes: (0..10).map(|digit| digit.to_string()).collect(),
/// #     standardization: Standardization { mean: vec![0.13], std: vec![0.31] },
/// #     dataset: None,
/// #     training: None,
/// # };
/// # Trained::new(info, Parameters::seeded(0, &Device::Cpu))?.save(&path)?;
/// let trained = models::load(&path)?;
/// let images = Tensor::zeros((2, 1, 28, 28), DType::F32, &Device::Cpu)?; // pixels from 0 to 1
/// for prediction in trained.predict(&images)? {
///     let best = &prediction.classes[0];
///     println!("{} with probability {:.3}", best.class, best.probability);
/// }
/// let evidence = trained.evidence(&images.get(0)?)?;
/// assert_eq!(evidence.dims(), [10, 28, 28]); // for each class, at each pixel
/// # Ok(())
/// # }
/// ```
pub struct Trained {
    /// The network.
    pub network: Classifier,
    /// The description of the network and of the data that it was trained on.
    pub info: NetworkInfo,
    /// The weights and running statistics, which the network shares.
    pub parameters: Parameters,
}

/// Reads a trained network from a file: [`Trained::load`].
///
/// # Errors
/// Those of [`Trained::load`].
pub fn load(path: impl AsRef<Path>) -> Result<Trained> {
    Trained::load(path)
}

impl Trained {
    /// Builds the network that `info` describes, with weights from `parameters`.
    ///
    /// # Errors
    /// A network that cannot be built; see [`Architecture::build`](crate::Architecture::build).
    pub fn new(info: NetworkInfo, parameters: Parameters) -> Result<Self> {
        let network = info.model.build(&info.config(), parameters.builder())?;
        Ok(Self { network, info, parameters })
    }

    /// Reads a trained network from a safetensors file that [`save`](Self::save) or a run of the experiments wrote.
    ///
    /// # Errors
    /// A file that cannot be read, that does not say which network it holds, or whose tensors do not fit that network. A
    /// model or head of another crate must be registered before.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let info = NetworkInfo::read(path)?;
        let trained = Self::new(info, Parameters::zeros(&Device::Cpu)).map_err(|error| error.with_path(path))?;
        trained.parameters.load(path)?;
        Ok(trained)
    }

    /// Writes the network to a safetensors file. An earlier file is replaced as a whole.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.info.save(&self.parameters, path.as_ref())
    }

    /// Writes the network to a safetensors file with all keys of PyTorch's `state_dict`, also the counters
    /// `num_batches_tracked` that nothing here needs. [`load`](Self::load) reads it as well.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_state_dict(&self, path: impl AsRef<Path>) -> Result<()> {
        self.parameters.save_state_dict(path.as_ref(), info::KEY, self.info.json()?)
    }

    /// Replaces the head by a new one for other classes, as `reset_classifier` of timm does. Its initial weights are drawn
    /// with a seed. Train it with [`fit`](training::fit), with the backbone frozen or not:
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut trained = models::load("digits.safetensors")?;
    /// trained.reset_classifier(&"gap-fc".parse()?, &["even", "odd"], 0)?;
    /// trained.network.freeze_backbone();
    /// // training::fit(&trained.network, &trained.parameters, …)
    /// trained.save("parity.safetensors")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Head::new`](heads::Head::new). The old head stays.
    pub fn reset_classifier(&mut self, head: &HeadConfig, classes: &[&str], seed: u64) -> Result<()> {
        let new = Parameters::seeded(seed, self.parameters.device());
        self.network.reset_classifier(head, classes.len(), new.builder())?;
        self.parameters.replace(self.network.backbone.naming.head, &new)?;
        self.info.head = head.clone();
        self.info.classes = classes.iter().map(|class| class.to_string()).collect();
        Ok(())
    }

    /// Computes the probability of each class for each image, and sorts the classes by it.
    ///
    /// # Shapes
    /// Images (N, C, H, W) with pixels from 0 to 1 → N predictions
    ///
    /// # Errors
    /// Images of another number of channels, and of another size if the head takes one size only.
    pub fn predict(&self, images: &Tensor) -> Result<Vec<Prediction>> {
        let logits = self.network.forward(&self.standardize(images)?, Mode::Inference)?;
        let rows = ops::softmax(&logits)?.to_vec2::<f32>()?;
        Ok(rows.into_iter().map(|row| Prediction::new(&self.info.classes, row)).collect())
    }

    /// Computes the evidence for each class at each pixel of an image: the head's class maps, less their mean over the
    /// classes, interpolated between the centres of the receptive fields. Positive values speak for the class, negative
    /// values against it.
    ///
    /// The mean is subtracted because adding one vector to the weights of all classes changes the maps, but no probability.
    ///
    /// # Shapes
    /// An image (C, H, W) with pixels from 0 to 1 → evidence (K, H, W)
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict), and a backbone whose positions all see the whole image.
    pub fn evidence(&self, image: &Tensor) -> Result<Tensor> {
        let (_, height, width) = image.dims3()?;
        let backbone = self.network.backbone.describe(image.dims())?;
        let Some(fields) = &backbone.receptive_field else {
            bail!("{} has no class maps: every position of its features sees the whole image", self.info.model)
        };
        let features = self.network.forward_features(&self.standardize(&image.unsqueeze(0)?)?, Mode::Inference)?;
        let maps = self.network.head.class_maps(&features)?.maps.detach().squeeze(0)?.flatten_from(1)?;
        let centred = maps.broadcast_sub(&maps.mean_keepdim(0)?)?;
        let upsampling = Upsampling::new(fields, &backbone.output[1..], &[height, width]);
        let pixels: Vec<f32> = centred.to_vec2()?.iter().flat_map(|map| upsampling.interpolate(map)).collect();
        Tensor::from_vec(pixels, (self.info.classes.len(), height, width), image.device())
    }

    /// Standardises images (N, C, H, W) with pixels from 0 to 1 as those that the network was trained on.
    ///
    /// # Errors
    /// Images that have another number of axes or channels.
    pub fn standardize(&self, images: &Tensor) -> Result<Tensor> {
        let (_, channels, ..) = images.dims4().context("images have the shape (N, C, H, W)")?;
        let standardization = &self.info.standardization;
        let of_channels = |values: &[f32]| Tensor::new(values, images.device())?.reshape((1, values.len(), 1, 1));
        if channels != standardization.mean.len() {
            bail!("images of {channels} channels do not fit the network, which takes {:?}", self.info.input)
        }
        images.broadcast_sub(&of_channels(&standardization.mean)?)?.broadcast_div(&of_channels(&standardization.std)?)
    }
}
