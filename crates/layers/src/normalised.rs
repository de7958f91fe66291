use crate::BatchNorm;
use candle_core::{Result, Tensor};
use ops::{BatchStatistics, ConvBatchNorm, Epilogue, Projection, Window};

/// A convolution in training with the batch normalisation behind it.
pub struct Normalised<'a> {
    convolution: ConvBatchNorm<'a>,
    norm: &'a BatchNorm,
}

impl<'a> Normalised<'a> {
    pub(crate) fn new(
        weight: &'a Tensor,
        bias: Option<&'a Tensor>,
        window: Window,
        depthwise: bool,
        norm: &'a BatchNorm,
        epilogue: Epilogue,
    ) -> Self {
        let (gamma, beta, eps) = (&norm.weight, &norm.bias, norm.config.eps);
        Self { convolution: ConvBatchNorm { weight, bias, window, depthwise, gamma, beta, eps, epilogue }, norm }
    }

    /// One after the other in one operator; the running statistics follow those of the batch.
    pub(crate) fn train(xs: &Tensor, layers: &[Self]) -> Result<Tensor> {
        Self::follow(layers, ops::conv_batch_norm_train(xs, &Self::convolutions(layers))?)
    }

    /// The same with a shortcut around them and ReLU, a residual block.
    pub(crate) fn train_residual(xs: &Tensor, layers: &[Self], shortcut: Option<Projection>) -> Result<Tensor> {
        Self::follow(layers, ops::residual_conv_batch_norm_train(xs, &Self::convolutions(layers), shortcut)?)
    }

    fn convolutions(layers: &[Self]) -> Vec<ConvBatchNorm<'a>> {
        layers.iter().map(|layer| layer.convolution).collect()
    }

    fn follow(layers: &[Self], (ys, statistics): (Tensor, Vec<BatchStatistics>)) -> Result<Tensor> {
        layers.iter().zip(&statistics).try_for_each(|(layer, statistics)| layer.norm.follow(statistics))?;
        Ok(ys)
    }
}
