use crate::Classifier;
use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor, bail};
use layers::{Layer, Prepared};

/// A network made ready for inference on images of one size, by [`Classifier::prepare`].
pub struct PreparedClassifier<'a> {
    network: Box<dyn Prepared + 'a>,
    /// (C, H, W)
    input: Vec<usize>,
    classes: usize,
    logits: Vec<f32>,
}

impl Classifier {
    /// The network made ready for inference on images of the shape `input` (C, H, W), f32 on the CPU: the logits of
    /// [`layers::Mode::Inference`] up to rounding, sooner. Batch normalisations are worked into the weights before
    /// them, weights lie as the kernels read them, and buffers are used again. A single image is never handed to another
    /// thread, and from the second one on allocates nothing (with the heads `fc…`, `gap`, `gmp`, `gap-fc` and `gmp-fc`;
    /// the poolings of the others are called as they are).
    ///
    /// Weights are taken now: after training prepare again.
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
    /// let plain = net.forward(&images, Mode::Inference)?;
    /// assert!((logits - plain)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-5);
    ///
    /// // Without tensors: one image of 784 values.
    /// assert_eq!(prepared.logits(1, &[0.; 784])?.len(), 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// An input the network does not take: the message names the layer; weights that are not f32 on the CPU.
    pub fn prepare(&self, input: &[usize]) -> Result<PreparedClassifier<'_>> {
        let classes = self.describe(input)?.output.iter().product();
        let network = Layer::prepare(self, input)?;
        Ok(PreparedClassifier { network, input: input.to_vec(), classes, logits: Vec::new() })
    }
}

impl PreparedClassifier<'_> {
    /// (N, C, H, W) → logits (N, K)
    ///
    /// # Errors
    /// Images of another size than it is prepared for, or not f32 on the CPU.
    pub fn forward(&mut self, images: &Tensor) -> Result<Tensor> {
        let (batch, device) = (images.dim(0)?, images.device());
        if images.dims()[1..] != self.input || images.dtype() != DType::F32 || !device.is_cpu() {
            let (expected, dims, dtype) = (&self.input, images.dims(), images.dtype());
            bail!("prepared for images of {expected:?}, f32 on the CPU, not for {dims:?} of {dtype:?} on {device:?}")
        }
        let images = images.contiguous()?;
        let (storage, layout) = images.storage_and_layout();
        let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) = (&*storage, layout.contiguous_offsets())
        else {
            bail!("internal: {images:?} is contiguous, f32 and on the CPU")
        };
        let classes = self.classes;
        Tensor::from_slice(self.logits(batch, &values[start..end])?, (batch, classes), &Device::Cpu)
    }

    /// The logits (N, K) of a `batch` of N images (N, C, H, W), both in row-major order.
    ///
    /// # Errors
    /// `images` of another length than so many images have.
    pub fn logits(&mut self, batch: usize, images: &[f32]) -> Result<&[f32]> {
        let image: usize = self.input.iter().product();
        if images.len() != batch * image {
            let (input, len) = (&self.input, images.len());
            bail!("{batch} images of {input:?} have {} values, not {len}", batch * image)
        }
        self.logits.resize(batch * self.classes, 0.);
        self.network.run(images, &mut self.logits)?;
        Ok(&self.logits)
    }
}
