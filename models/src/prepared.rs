use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor, bail};
use layers::{Layer, Prepared};

use crate::Classifier;

/// A network that is prepared for inference on images of one shape, by [`Classifier::prepare`].
pub struct PreparedClassifier<'a> {
    network: Box<dyn Prepared + 'a>,
    /// The shape (C, H, W) of an image.
    input: Vec<usize>,
    classes: usize,
    logits: Vec<f32>,
}

impl Classifier {
    /// Prepares the network for inference on images of the shape `input` (C, H, W) in f32 on the CPU. The prepared
    /// network gives the logits of [`layers::Mode::Inference`], up to rounding, but faster: batch normalisation is
    /// folded into the preceding convolution, weights are stored in the order in which the kernels read them, and
    /// buffers are reused.
    ///
    /// A single image is divided between the threads of the current rayon pool where it takes enough work; they stay awake
    /// until it is computed. On one thread no memory is allocated from the second image on if the head is `fc…`, `gap`, `gmp`,
    /// `gap-fc` or `gmp-fc`.
    ///
    /// Later changes of the weights have no effect: prepare the network again after further training.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use candle_nn::{VarBuilder, VarMap};
    /// use layers::{Layer, Mode};
    /// use models::{ModelConfig, ModelName};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let variables = VarMap::new();
    /// let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    /// let name: ModelName = "two-conv".parse()?;
    /// let net = name.architecture().build(&name.config()?, vb)?;
    ///
    /// let mut prepared = net.prepare(&[1, 28, 28])?;
    /// let images = Tensor::ones((2, 1, 28, 28), DType::F32, &Device::Cpu)?;
    /// let logits = prepared.forward(&images)?;
    /// let expected = net.forward(&images, Mode::Inference)?;
    /// assert!((logits - expected)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-5);
    ///
    /// // One image of 784 values, without tensors.
    /// assert_eq!(prepared.logits(1, &[0.; 784])?.len(), 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the network does not take the input (the message names the layer), or its weights are not f32 on the CPU.
    pub fn prepare(&self, input: &[usize]) -> Result<PreparedClassifier<'_>> {
        let classes = self.describe(input)?.output.iter().product();
        let network = Layer::prepare(self, input)?;
        Ok(PreparedClassifier { network, input: input.to_vec(), classes, logits: Vec::new() })
    }
}

impl PreparedClassifier<'_> {
    /// Computes the logits of a batch of any size.
    ///
    /// # Shapes
    /// Images (N, C, H, W) → logits (N, K)
    ///
    /// # Errors
    /// If the images have another shape than the network is prepared for, or are not f32 on the CPU.
    pub fn forward(&mut self, images: &Tensor) -> Result<Tensor> {
        let (batch, device) = (images.dim(0)?, images.device());
        if images.dims()[1..] != self.input || images.dtype() != DType::F32 || !device.is_cpu() {
            let (expected, dims, dtype) = (&self.input, images.dims(), images.dtype());
            bail!(
                "unsupported batch of shape {dims:?}, {dtype:?} on {device:?}; the network is prepared for images of the \
                 shape {expected:?}, F32 on the CPU"
            )
        }
        let images = images.contiguous()?;
        let (storage, layout) = images.storage_and_layout();
        let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) = (&*storage, layout.contiguous_offsets())
        else {
            bail!("internal error: {images:?} should be contiguous, f32 and on the CPU")
        };
        let classes = self.classes;
        Tensor::from_slice(self.logits(batch, &values[start..end])?, (batch, classes), &Device::Cpu)
    }

    /// Computes the logits of `batch` images from a slice into a slice, both in row-major order.
    ///
    /// # Shapes
    /// Images (N, C, H, W) → logits (N, K), where N is `batch`
    ///
    /// # Errors
    /// If `images` does not have the length of `batch` images.
    pub fn logits(&mut self, batch: usize, images: &[f32]) -> Result<&[f32]> {
        let expected = self.input.iter().product::<usize>().saturating_mul(batch);
        if images.len() != expected {
            let (input, len) = (&self.input, images.len());
            bail!("a batch of {batch} images of shape {input:?} has {expected} values, but the slice has {len}")
        }
        self.logits.resize(batch * self.classes, 0.);
        self.network.run(images, &mut self.logits)?;
        Ok(&self.logits)
    }
}
