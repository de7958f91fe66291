use candle_core::{Result, Tensor};

use super::{Block, blocks_train};
use crate::{BatchStatistics, ConvBatchNorm, Projection};

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
///
/// [`conv2d`]: crate::conv2d
/// [`depthwise_conv2d`]: crate::depthwise_conv2d
/// [`batch_norm_train`]: crate::batch_norm_train
pub fn conv_batch_norm_train(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    blocks_train(xs, &[Block::ConvBatchNorm(layers.to_vec())])
}

/// Computes a residual block (He et al. 2015) in training as one operator: `add_relu(conv_batch_norm_train(xs, layers),
/// shortcut)`, where the shortcut is `xs` itself or a projection of it.
///
/// # Shapes
/// The same as for [`conv_batch_norm_train`]. The shortcut must have the shape of the last layer's result.
///
/// # Errors
/// The same as for [`conv_batch_norm_train`] and [`conv2d`](crate::conv2d); fails also if the shortcut has another shape.
///
/// # Example
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ops::{ConvBatchNorm, Projection, Window, residual_conv_batch_norm_train};
///
/// # fn main() -> candle_core::Result<()> {
/// let image = Tensor::randn(0f32, 1., (2, 3, 8, 8), &Device::Cpu)?;
/// let weight = Tensor::randn(0f32, 1., (5, 3, 3, 3), &Device::Cpu)?;
/// let projection_weight = Tensor::randn(0f32, 1., (5, 3, 1, 1), &Device::Cpu)?;
/// let (gamma, beta) = (Tensor::ones(5, DType::F32, &Device::Cpu)?, Tensor::zeros(5, DType::F32, &Device::Cpu)?);
/// let layer = ConvBatchNorm::new(&weight, Window::conv(3).stride(2).padding(1), &gamma, &beta);
/// let projection = Projection::new(&projection_weight, None, Window::conv(1).stride(2));
/// let (features, statistics) = residual_conv_batch_norm_train(&image, &[layer], Some(projection))?;
/// assert_eq!(features.dims(), [2, 5, 4, 4]);
/// assert_eq!(statistics.len(), 1);
/// # Ok(())
/// # }
/// ```
pub fn residual_conv_batch_norm_train(
    xs: &Tensor,
    layers: &[ConvBatchNorm],
    projection: Option<Projection>,
) -> Result<(Tensor, Vec<BatchStatistics>)> {
    blocks_train(xs, &[Block::Residual(layers.to_vec(), projection)])
}
