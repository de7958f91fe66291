use std::sync::OnceLock;

use candle_core::{Context, Result, Tensor, bail};

use super::{
    convolution::Convolution,
    step::{ForwardState, Step},
};
use crate::{
    BatchStatistics, Epilogue, Window,
    conv_dense::conv_shape,
    cpu::{batch_norm, conv},
    depthwise::depthwise_shape,
};

/// A convolution with its batch normalisation and epilogue: one layer of [`conv_batch_norm_train`].
///
/// [`conv_batch_norm_train`]: crate::conv_batch_norm_train
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ConvBatchNorm<'a> {
    /// The weights of the convolution, (C_out, C_in, kh, kw), or (C, 1, kh, kw) if it is depthwise.
    pub weight: &'a Tensor,
    /// The bias of the convolution, (C_out).
    pub bias: Option<&'a Tensor>,
    /// The kernel size, stride and padding of the convolution.
    pub window: Window,
    /// True if the convolution is depthwise, with its own kernel for each channel.
    pub depthwise: bool,
    /// The scale of the batch normalisation, (C_out).
    pub gamma: &'a Tensor,
    /// The shift of the batch normalisation, (C_out).
    pub beta: &'a Tensor,
    /// The number added to the variance.
    pub eps: f64,
    /// The operations that follow the batch normalisation.
    pub epilogue: Epilogue,
}

/// The sizes of a feature map: images, channels, height and width.
pub type Nchw = (usize, usize, usize, usize);

impl<'a> ConvBatchNorm<'a> {
    /// Creates a dense convolution without a bias, normalised with PyTorch's default ε of 1e-5 and without an epilogue.
    pub fn new(weight: &'a Tensor, window: Window, gamma: &'a Tensor, beta: &'a Tensor) -> Self {
        Self { weight, bias: None, window, depthwise: false, gamma, beta, eps: 1e-5, epilogue: Epilogue::None }
    }

    /// Sets the bias of the convolution.
    pub fn bias(self, bias: Option<&'a Tensor>) -> Self {
        Self { bias, ..self }
    }

    /// Sets whether the convolution is depthwise.
    pub fn depthwise(self, depthwise: bool) -> Self {
        Self { depthwise, ..self }
    }

    /// Sets the number added to the variance.
    pub fn eps(self, eps: f64) -> Self {
        Self { eps, ..self }
    }

    /// Sets what follows the batch normalisation.
    pub fn epilogue(self, epilogue: Epilogue) -> Self {
        Self { epilogue, ..self }
    }

    /// Returns the step of this layer for an input of the given sizes and the sizes of its result, or an error if the
    /// layer does not fit the input.
    pub(super) fn step(&self, input: Nchw) -> Result<(Step, Nchw)> {
        let Self { weight, bias, window, gamma, beta, eps, epilogue, .. } = *self;
        let convolution: Box<dyn Convolution> = if self.depthwise {
            Box::new(depthwise_shape(input, weight, bias, &window)?)
        } else {
            let shape = conv_shape(input, weight, bias, &window, epilogue)?;
            Box::new(conv::ConvShape { epilogue: Epilogue::None, ..shape })
        };
        let [batch, channels, height, width] = convolution.dims();
        if epilogue == Epilogue::ReluMaxPool && (height < 2 || width < 2) {
            bail!("conv_batch_norm: a feature map of {height}x{width} is too small for 2x2 pooling")
        }
        if gamma.dims() != [channels] || beta.dims() != gamma.dims() {
            let (gamma, beta) = (gamma.dims(), beta.dims());
            bail!("batch_norm: gamma {gamma:?} and beta {beta:?} do not fit {channels} channels; possible: (C)")
        }
        if batch * height * width < 2 {
            let dims = [batch, channels, height, width];
            bail!("batch_norm: a feature map {dims:?} has no variance; it needs more than one value per channel")
        }
        let [oh, ow] = epilogue.result([height, width]);
        let (trains_weight, bias_len) = (weight.track_op(), bias.map(Tensor::elem_count));
        let step = Step { convolution, eps, epilogue, trains_weight, bias_len, state: OnceLock::new() };
        Ok((step, (batch, channels, oh, ow)))
    }

    /// Returns the weights, gamma, beta and the bias, if there is one.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &'a Tensor> + use<'a> {
        [self.weight, self.gamma, self.beta].into_iter().chain(self.bias)
    }

    /// Returns the batch statistics that the forward pass of `step` has computed.
    pub(crate) fn statistics(&self, step: &Step) -> Result<BatchStatistics> {
        let ForwardState { mean, var, .. } = step.state.get().context("internal: the operator has not run")?;
        let ([batch, channels, height, width], device) = (step.convolution.dims(), self.gamma.device());
        let unbiased = batch_norm::unbiased(var, batch * height * width);
        let mean = Tensor::from_slice(mean, channels, device)?;
        // The convolution was computed without its bias, which only shifts the mean.
        let mean = if let Some(bias) = self.bias { (mean + bias.detach())? } else { mean };
        Ok(BatchStatistics { mean, var: Tensor::from_vec(unbiased, channels, device)? })
    }
}
