use candle_core::{Result, Tensor, bail};
use ops::EmbeddingConv1d;

use crate::{batch_norm::BatchNorm, conv1d::Conv1d, layer::Mode};

/// Sequences of vectors, (N, D, L), as ids and the vectors that they stand for. [`Embedding::embed`](crate::Embedding::embed)
/// makes them.
///
/// A convolution of them is much faster than one of the vectors themselves, because what an id contributes to an output is
/// computed once for all positions that have it.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use layers::{Conv1d, Conv1dOptions, Embedding, EmbeddingOptions, Layer, Mode};
///
/// # fn main() -> candle_core::Result<()> {
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let embedding = Embedding::new(26, 20, EmbeddingOptions::default().channels_first(), vb.pp("embedding"))?;
/// let conv = Conv1d::new(20, 8, Conv1dOptions::same(3), vb.pp("conv"))?;
/// let ids = Tensor::new(&[[3u32, 11, 25], [0, 0, 7]], &Device::Cpu)?;
/// let fast = embedding.embed(&ids, Mode::Eval)?.convolve(&conv, Mode::Eval)?;
/// let slow = conv.forward(&embedding.forward(&ids, Mode::Eval)?, Mode::Eval)?;
/// assert!((fast - slow)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Embedded {
    /// (N, L)
    ids: Tensor,
    /// (V, D), or those of each sequence, (N, V, D).
    vectors: Tensor,
}

impl Embedded {
    pub(crate) fn new(ids: Tensor, vectors: Tensor) -> Self {
        Self { ids, vectors }
    }

    /// Multiplies the channels of each sequence by factors (N, D).
    pub(crate) fn scaled(&self, factors: impl FnOnce([usize; 2], &Tensor) -> Result<Tensor>) -> Result<Self> {
        let dimensions = self.vectors.dims().last().copied().unwrap_or_default();
        let factors = factors([self.ids.dim(0)?, dimensions], &self.vectors)?;
        Ok(Self { ids: self.ids.clone(), vectors: self.vectors.broadcast_mul(&factors.unsqueeze(1)?)? })
    }

    /// Computes the output of a convolution, (N, outputs, L).
    ///
    /// # Errors
    /// Fails if the convolution does not take this number of channels or has another stride than 1.
    pub fn convolve(&self, conv: &Conv1d, mode: Mode) -> Result<Tensor> {
        self.with_arguments(conv, mode, ops::embedding_conv1d)
    }

    /// Computes the maximum of each channel over the positions, (N, outputs), of a convolution with batch normalisation.
    /// Positions where `mask` (N, L) of u8 is 0 do not take part in the maximum.
    ///
    /// The output of the convolution is never written. An increasing activation may follow the maximum instead of coming
    /// before it.
    ///
    /// # Errors
    /// Those of [`convolve`](Self::convolve); a mask of another shape or without positions for a sequence.
    pub fn normalised_maximum(
        &self,
        conv: &Conv1d,
        norm: &BatchNorm,
        mask: Option<&Tensor>,
        mode: Mode,
    ) -> Result<Tensor> {
        let [gamma, beta] = [&norm.weight, &norm.bias].map(|parameter| mode.parameter(parameter));
        let eps = norm.options.eps;
        self.with_arguments(conv, mode, |conv| {
            if let Mode::Train { .. } = mode {
                let (maxima, statistics) = ops::embedding_conv1d_batch_norm_max_train(conv, mask, &gamma, &beta, eps)?;
                norm.update_running_statistics(&statistics)?;
                Ok(maxima)
            } else {
                let statistics = norm.running_statistics();
                ops::embedding_conv1d_batch_norm_max(conv, mask, &gamma, &beta, &statistics, eps)
            }
        })
    }

    fn with_arguments<R>(&self, conv: &Conv1d, mode: Mode, f: impl FnOnce(&EmbeddingConv1d) -> Result<R>) -> Result<R> {
        let options = conv.options();
        if options.stride != 1 {
            bail!("a convolution of ids with a stride of {} is not possible; the stride must be 1", options.stride)
        }
        let (weight, bias) = (mode.parameter(conv.weight()), conv.bias().map(|bias| mode.parameter(bias)));
        f(&EmbeddingConv1d::new(&self.ids, &self.vectors, &weight).bias(bias.as_ref()).padding(options.padding))
    }
}
