use candle_core::{Result, Tensor};

use super::layer::ConvBatchNorm;
use crate::{
    BatchStatistics, Block, Epilogue, Window, batch_norm_train, blocks_train, conv2d, depthwise_conv2d, max_pool2d,
};

/// Computes convolutions with batch normalisation in training, one after the other, as one operator: for each layer
/// `batch_norm_train(conv2d(…))` or `batch_norm_train(depthwise_conv2d(…))`, then its epilogue.
///
/// Compared with the separate operators, feature maps are read and written fewer times, and none is stored that the
/// backward pass does not need.
///
/// # Shapes
/// The same as for [`conv2d`], [`depthwise_conv2d`] and [`batch_norm_train`] in turn. The result comes with
/// the statistics of each layer.
///
/// # Errors
/// The same as for [`conv2d`], [`depthwise_conv2d`] and [`batch_norm_train`].
///
/// # Example
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ops::{ConvBatchNorm, Epilogue, Window, conv_batch_norm_train};
///
/// # fn main() -> candle_core::Result<()> {
/// let image = Tensor::randn(0f32, 1., (2, 3, 8, 8), &Device::Cpu)?;
/// let depthwise_weight = Tensor::randn(0f32, 1., (3, 1, 3, 3), &Device::Cpu)?;
/// let pointwise_weight = Tensor::randn(0f32, 1., (5, 3, 1, 1), &Device::Cpu)?;
/// let [ones, zeros] = [Tensor::ones(5, DType::F32, &Device::Cpu)?, Tensor::zeros(5, DType::F32, &Device::Cpu)?];
///
/// // A depthwise and a pointwise convolution, as in MobileNet.
/// let [gamma, beta] = [ones.narrow(0, 0, 3)?, zeros.narrow(0, 0, 3)?];
/// let depthwise = ConvBatchNorm::new(&depthwise_weight, Window::conv(3).padding(1), &gamma, &beta)
///     .depthwise(true)
///     .epilogue(Epilogue::Relu);
/// let pointwise = ConvBatchNorm::new(&pointwise_weight, Window::conv(1), &ones, &zeros).epilogue(Epilogue::Relu);
/// let (features, statistics) = conv_batch_norm_train(&image, &[depthwise, pointwise])?;
/// assert_eq!(features.dims(), [2, 5, 8, 8]);
/// assert_eq!(statistics[1].mean.dims(), [5]);
/// # Ok(())
/// # }
/// ```
pub fn conv_batch_norm_train(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    blocks_train(xs, &[Block::ConvBatchNorm(layers.to_vec())])
}

/// Computes the layers by separate operators, for tensors without a kernel.
pub fn layer_by_layer(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    let (mut xs, mut all) = (xs.clone(), Vec::new());
    for layer in layers {
        let ConvBatchNorm { weight, bias, window, gamma, beta, eps, epilogue, .. } = *layer;
        let ys = if layer.depthwise {
            depthwise_conv2d(&xs, weight, bias, &window)?
        } else {
            conv2d(&xs, weight, bias, &window.into())?
        };
        let (ys, statistics) = batch_norm_train(&ys, gamma, beta, eps, epilogue != Epilogue::None)?;
        xs = if epilogue == Epilogue::ReluMaxPool { max_pool2d(&ys, &Window::pool(2))? } else { ys };
        all.push(statistics);
    }
    Ok((xs, all))
}
