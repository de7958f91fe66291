use candle_core::Tensor;

/// A batch of samples: the inputs of a [`Model`](crate::Model), and the targets that a [`Loss`](crate::Loss) compares
/// its outputs with.
///
/// A pair of tensors is a batch for a model with one input, an array of tensors with the targets one for a model with
/// several:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use training::Batch;
///
/// # fn main() -> candle_core::Result<()> {
/// let protein = Tensor::zeros((4, 20), DType::F32, &Device::Cpu)?;
/// let drug = Tensor::zeros((4, 10), DType::F32, &Device::Cpu)?;
/// let binds = Tensor::new(&[0f32, 1., 1., 0.], &Device::Cpu)?;
/// let batch = Batch::from(([protein, drug], binds));
/// assert_eq!((batch.inputs.len(), batch.targets.dims()), (2, &[4][..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    /// One tensor for each input of the model, with the samples along the first axis.
    pub inputs: Vec<Tensor>,
    /// One target per sample; [`Loss`](crate::Loss) says of which shape and type.
    pub targets: Tensor,
}

impl From<(Tensor, Tensor)> for Batch {
    fn from((input, targets): (Tensor, Tensor)) -> Self {
        Self { inputs: vec![input], targets }
    }
}

impl<const N: usize> From<([Tensor; N], Tensor)> for Batch {
    fn from((inputs, targets): ([Tensor; N], Tensor)) -> Self {
        Self { inputs: inputs.into(), targets }
    }
}
