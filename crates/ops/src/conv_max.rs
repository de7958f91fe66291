//! 1-d convolutions up to the global maximum.

use std::sync::OnceLock;

use candle_core::{Context, Result, Shape, Tensor, bail};

use crate::{
    Conv1dConfig, Conv2dConfig, Epilogue,
    conv_dense::conv_shape,
    conv1d,
    cpu::{
        Gradients,
        conv::ConvShape,
        conv_max::{self, Maxima},
        fast,
    },
    global_max_pool, precision,
    sizes::check_memory,
    weighted::{BackwardArgs, Weighted, apply},
};

/// Computes `global_max_pool(conv1d(…))` in one operator: the output of the convolution is never written for more than one
/// sequence per thread, and the backward pass visits only the maxima.
///
/// An increasing activation, such as ReLU or ELU, may follow the maximum instead of coming before it: the result is the same.
///
/// # Shapes
/// The same as for [`conv1d`] → (N, C_out).
///
/// # Errors
/// The same as for [`conv1d`].
///
/// # Example
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ops::Conv1dConfig;
///
/// # fn main() -> candle_core::Result<()> {
/// let signal = Tensor::new(&[[[0f32, 1., 5., 2.]]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[[1f32, 1.]], [[-1., 1.]]], &Device::Cpu)?;
/// let maxima = ops::conv1d_max(&signal, &weight, None, &Conv1dConfig::default())?;
/// assert_eq!(maxima.to_vec2::<f32>()?, [[7., 4.]]);
/// # Ok(())
/// # }
/// ```
pub fn conv1d_max(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: &Conv1dConfig) -> Result<Tensor> {
    let tensors = [xs, weight, bias.unwrap_or(weight)];
    if precision::is_half_on_cpu(&tensors) {
        return precision::weighted_in_f32(xs, weight, bias, |xs, weight, bias| conv1d_max(xs, weight, bias, config));
    }
    if config.groups != 1 || config.dilation != 1 || !fast(&tensors) {
        return global_max_pool(&conv1d(xs, weight, bias, config)?);
    }
    let (n, c, length) = xs.dims3()?;
    let weight = weight.unsqueeze(2)?;
    let window = Conv2dConfig::from(*config).window(&weight)?;
    let shape = conv_shape((n, c, 1, length), &weight, bias, &window, Epilogue::None)?;
    check_memory("conv1d_max: a result", &[n, shape.out_channels])?;
    if u32::try_from(shape.output[1]).is_err() {
        bail!("conv1d_max: an output of {} positions is too long", shape.output[1])
    }
    apply(&xs.unsqueeze(2)?, &weight, bias, Conv1dMax { shape, winners: OnceLock::new() })
}

struct Conv1dMax {
    shape: ConvShape,
    /// The positions of the maxima, once they are computed.
    winners: OnceLock<Vec<u32>>,
}

impl Weighted for Conv1dMax {
    fn name(&self) -> &'static str {
        "conv1d-max"
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let Maxima { values, positions } = conv_max::forward(&self.shape, x, weight, bias);
        // The operator is created for a single call, so nothing has been saved before.
        let _ = self.winners.set(positions);
        (values, Shape::from((self.shape.batch, self.shape.out_channels)))
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let winners = self.winners.get().context("internal: a backward pass without a forward pass")?;
        let BackwardArgs { x, weight, dy, want_dx, want_dw, .. } = args;
        Ok(conv_max::backward(&self.shape, x, weight, dy, winners, want_dx, want_dw))
    }
}
