use candle_core::{DType, Result, Tensor, bail};

/// The loss function that [`fit`](crate::fit) minimises: the mean over the samples of a batch.
///
/// The default is cross-entropy without label smoothing.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use training::Loss;
///
/// # fn main() -> candle_core::Result<()> {
/// let logits = Tensor::new(&[[2f32, 0., 0.]], &Device::Cpu)?;
/// let target = Tensor::new(&[0u32], &Device::Cpu)?;
/// let value = |loss: Loss| loss.forward(&logits, &target)?.to_scalar::<f32>();
/// assert_eq!(format!("{:.4}", value(Loss::default())?), "0.2395");
/// assert_eq!(format!("{:.4}", value(Loss::CrossEntropy { label_smoothing: 0.1 })?), "0.3729");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// Softmax cross-entropy, as `torch.nn.functional.cross_entropy`, for classes that exclude each other. Outputs are
    /// logits (N, K), targets class indices (N) of a type that [`ops::cross_entropy`] takes.
    CrossEntropy {
        /// The share ε of the target distribution that is spread evenly over all classes (Szegedy et al. 2016), from 0
        /// to 1. The loss of a sample is (1 − ε) · cross-entropy + ε · mean over the classes of −log p.
        label_smoothing: f64,
    },
    /// Binary cross-entropy of logits, as `torch.nn.functional.binary_cross_entropy_with_logits`, for yes-or-no
    /// questions. Outputs are logits (N) or (N, 1), targets probabilities from 0 to 1 of type f32, (N) or (N, 1).
    BinaryCrossEntropy,
}

impl Default for Loss {
    fn default() -> Self {
        Loss::CrossEntropy { label_smoothing: 0. }
    }
}

impl Loss {
    /// Computes the mean loss of a batch.
    ///
    /// # Shapes
    /// `outputs` and `targets` as documented for the variant → scalar.
    ///
    /// # Errors
    /// Shapes or types that do not fit, no samples, a class that the logits lack, a probability outside 0 to 1, and
    /// label smoothing outside 0 to 1.
    pub fn forward(&self, outputs: &Tensor, targets: &Tensor) -> Result<Tensor> {
        self.check()?;
        match *self {
            Loss::CrossEntropy { label_smoothing: 0. } => ops::cross_entropy(outputs, targets),
            Loss::CrossEntropy { label_smoothing } => ops::cross_entropy_smoothed(outputs, targets, label_smoothing),
            Loss::BinaryCrossEntropy => binary_cross_entropy(outputs, targets),
        }
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<()> {
        match *self {
            Loss::CrossEntropy { label_smoothing } if !(0. ..=1.).contains(&label_smoothing) => {
                bail!("label smoothing is {label_smoothing}; it must lie between 0 and 1")
            }
            _ => Ok(()),
        }
    }
}

fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let samples = |tensor: &Tensor| match *tensor.dims() {
        [samples] | [samples, 1] => Some(samples),
        _ => None,
    };
    if samples(logits).is_none_or(|samples| samples == 0) || samples(logits) != samples(targets) {
        bail!(
            "binary cross-entropy of logits {:?} and targets {:?}: both must be (N) or (N, 1) with one N >= 1",
            logits.dims(),
            targets.dims()
        )
    }
    if targets.dtype() != DType::F32 {
        bail!("binary cross-entropy: targets are {:?}; they must be f32", targets.dtype())
    }
    let (logits, targets) = (logits.flatten_all()?, targets.flatten_all()?);
    if let Some(target) = targets.to_vec1::<f32>()?.into_iter().find(|target| !(0. ..=1.).contains(target)) {
        bail!("binary cross-entropy: a target is {target}; it must be a probability between 0 and 1")
    }
    ops::bce_with_logits(&logits, &targets)
}
