mod chain;
mod residual;
mod step;

pub use residual::{Projection, residual_conv_batch_norm_train};

use crate::batch_norm::{BatchStatistics, batch_norm_train};
use crate::conv::{check, conv2d};
use crate::cpu::{conv, fast};
use crate::depthwise::{self, depthwise_conv2d};
use crate::weighted::apply;
use crate::{Epilogue, Window, max_pool2d};
use candle_core::{Context, Result, Tensor, bail};
use chain::{Chain, Dims};
use step::{Inner, Saved, Step};

/// A convolution, the batch normalisation behind it and what follows that: a layer of [`conv_batch_norm_train`].
#[derive(Debug, Clone, Copy)]
pub struct ConvBatchNorm<'a> {
    /// (C_out, C_in, kh, kw), or (C, 1, kh, kw) of a depthwise convolution.
    pub weight: &'a Tensor,
    /// (C_out)
    pub bias: Option<&'a Tensor>,
    pub window: Window,
    pub depthwise: bool,
    /// (C_out)
    pub gamma: &'a Tensor,
    /// (C_out)
    pub beta: &'a Tensor,
    pub eps: f64,
    pub epilogue: Epilogue,
}

/// `batch_norm_train(conv2d(…))` or `batch_norm_train(depthwise_conv2d(…))`, ReLU and 2×2 max pooling, one layer after
/// the other, in one operator: fewer passes over the feature maps, and none of candle's own between them.
///
/// # Shapes
/// As [`conv2d`], [`depthwise_conv2d`] and [`batch_norm_train`]; the statistics of each layer.
///
/// # Errors
/// As theirs.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ops::{ConvBatchNorm, Epilogue, Window, conv_batch_norm_train};
///
/// # fn main() -> candle_core::Result<()> {
/// let image = Tensor::randn(0f32, 1., (2, 3, 8, 8), &Device::Cpu)?;
/// let [each, across] = [(3, 1, 3, 3), (5, 3, 1, 1)].map(|shape| Tensor::randn(0f32, 1., shape, &Device::Cpu));
/// let [ones, zeros] = [Tensor::ones(5, DType::F32, &Device::Cpu)?, Tensor::zeros(5, DType::F32, &Device::Cpu)?];
/// let (three_ones, three_zeros) = (ones.narrow(0, 0, 3)?, zeros.narrow(0, 0, 3)?);
///
/// // The pair of a depthwise and a pointwise convolution of a MobileNet.
/// let depthwise = ConvBatchNorm {
///     weight: &each?,
///     bias: None,
///     window: Window::conv(3).padding(1),
///     depthwise: true,
///     gamma: &three_ones,
///     beta: &three_zeros,
///     eps: 1e-5,
///     epilogue: Epilogue::Relu,
/// };
/// let window = Window::conv(1);
/// let pointwise = ConvBatchNorm { weight: &across?, window, depthwise: false, gamma: &ones, beta: &zeros, ..depthwise };
/// let (features, statistics) = conv_batch_norm_train(&image, &[depthwise, pointwise])?;
/// assert_eq!(features.dims(), [2, 5, 8, 8]);
/// assert_eq!(statistics[1].mean.dims(), [5]);
/// # Ok(())
/// # }
/// ```
pub fn conv_batch_norm_train(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    let chain = Chain::new(xs.dims4()?, layers)?;
    if layers.is_empty() || !fast(&chain::tensors(layers).chain([xs]).collect::<Vec<_>>()) {
        return composed(xs, layers);
    }
    let ([weights, parameters], steps) = (chain::arguments(layers)?, chain.steps.clone());
    let ys = apply(xs, &joined(&weights)?, Some(&joined(&parameters)?), chain)?;
    Ok((ys, chain::statistics(layers, &steps)?))
}

/// An operator has three arguments at most.
fn joined(vectors: &[Tensor]) -> Result<Tensor> {
    if let [vector] = vectors { Ok(vector.clone()) } else { Tensor::cat(vectors, 0) }
}

/// The parts one by one, where there is no kernel for the tensors.
fn composed(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    let (mut xs, mut all) = (xs.clone(), Vec::new());
    for layer in layers {
        let ConvBatchNorm { weight, bias, window, gamma, beta, eps, epilogue, .. } = *layer;
        let convolve = if layer.depthwise { depthwise_conv2d } else { conv2d };
        let (ys, statistics) =
            batch_norm_train(&convolve(&xs, weight, bias, &window)?, gamma, beta, eps, epilogue != Epilogue::None)?;
        xs = if epilogue == Epilogue::ReluMaxPool { max_pool2d(&ys, &Window::pool(2))? } else { ys };
        all.push(statistics);
    }
    Ok((xs, all))
}

impl ConvBatchNorm<'_> {
    /// The convolution of an input of these sizes, if all of the layer fits it.
    fn inner(&self, dims: Dims) -> Result<Box<dyn Inner>> {
        let Self { weight, bias, window, gamma, beta, epilogue, .. } = *self;
        let inner: Box<dyn Inner> = if self.depthwise {
            Box::new(depthwise::check(dims, weight, bias, &window)?)
        } else {
            let shape = check(dims, weight, bias, &window, epilogue)?;
            Box::new(conv::ConvShape { epilogue: Epilogue::None, ..shape })
        };
        let [batch, channels, height, width] = inner.dims();
        if epilogue == Epilogue::ReluMaxPool && (height < 2 || width < 2) {
            bail!("conv_batch_norm: a feature map of {height}x{width} is too small for 2x2 pooling")
        }
        if gamma.dims() != [channels] || beta.dims() != gamma.dims() {
            bail!("batch_norm: {:?} and {:?} do not fit {channels} channels", gamma.dims(), beta.dims())
        }
        if batch * height * width < 2 {
            bail!("batch_norm: a batch needs more than one value per channel to have a variance, not {dims:?}")
        }
        Ok(inner)
    }

    fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        [self.gamma, self.beta].into_iter().chain(self.bias)
    }

    fn statistics(&self, step: &Step) -> Result<BatchStatistics> {
        let Saved { mean, var, .. } = step.saved.get().context("internal: the operator has not run")?;
        let ([batch, channels, height, width], device) = (step.inner.dims(), self.gamma.device());
        let count = (batch * height * width) as f64;
        let unbiased: Vec<f32> = var.iter().map(|v| (*v as f64 * (count / (count - 1.))) as f32).collect();
        let mean = Tensor::from_slice(mean, channels, device)?;
        // A bias moves the mean and nothing else: its gradient is 0.
        let mean = if let Some(bias) = self.bias { (mean + bias.detach())? } else { mean };
        Ok(BatchStatistics { mean, var: Tensor::from_vec(unbiased, channels, device)? })
    }
}
