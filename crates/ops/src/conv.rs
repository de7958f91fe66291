use candle_core::{Result, Tensor};

use crate::{
    Conv1dConfig, Conv2dConfig, Epilogue, Window, conv_dense::conv_dense, depthwise::depthwise, dilation, max_pool2d,
    precision,
};

/// Convolves images (as cross-correlation), like `torch.nn.functional.conv2d`.
///
/// There are kernels for one group and for as many groups as input channels (depthwise). Other groups are convolved one
/// after the other, and a dilated convolution is computed as a batch of undilated ones; the gradients are exact in
/// every case.
///
/// # Shapes
/// `xs` (N, C_in, H, W), `weight` (C_out, C_in / groups, kh, kw), `bias` (C_out) → (N, C_out, oh, ow) with
/// `config.output_size([kh, kw], [H, W])`.
///
/// # Errors
/// Fails if the shapes do not fit each other, or if the input is smaller than the kernel.
///
/// # Example
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ops::Conv2dConfig;
///
/// # fn main() -> candle_core::Result<()> {
/// let images = Tensor::ones((2, 4, 9, 9), DType::F32, &Device::Cpu)?;
/// let weight = Tensor::ones((6, 2, 3, 3), DType::F32, &Device::Cpu)?;
/// let config = Conv2dConfig::default().padding(2).dilation(2).groups(2);
/// let features = ops::conv2d(&images, &weight, None, &config)?;
/// assert_eq!(features.dims(), [2, 6, 9, 9]);
/// # Ok(())
/// # }
/// ```
pub fn conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: &Conv2dConfig) -> Result<Tensor> {
    convolve(xs, weight, bias, config, Epilogue::None)
}

/// Computes `relu(conv2d(…))` in one operator, which saves a pass over the feature map.
///
/// # Shapes
/// The same as for [`conv2d`].
///
/// # Errors
/// The same as for [`conv2d`].
pub fn conv2d_relu(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: &Conv2dConfig) -> Result<Tensor> {
    convolve(xs, weight, bias, config, Epilogue::Relu)
}

/// Computes `max_pool2d(relu(conv2d(…)), &Window::pool(2))` in one operator: the feature map before the pooling is
/// never written, and the backward pass visits only the maxima.
///
/// # Shapes
/// The same as for [`conv2d`], with oh and ow halved and rounded down.
///
/// # Errors
/// The same as for [`conv2d`]; fails also if oh or ow is less than 2.
pub fn conv2d_relu_max_pool(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv2dConfig,
) -> Result<Tensor> {
    convolve(xs, weight, bias, config, Epilogue::ReluMaxPool)
}

/// Convolves sequences (as cross-correlation), like `torch.nn.functional.conv1d`: [`conv2d`] on images of height 1.
///
/// # Shapes
/// `xs` (N, C_in, L), `weight` (C_out, C_in / groups, k), `bias` (C_out) → (N, C_out, ol) with `ol = (L + 2·padding −
/// dilation·(k − 1) − 1) / stride + 1`, rounded down.
///
/// # Errors
/// The same as for [`conv2d`].
pub fn conv1d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: &Conv1dConfig) -> Result<Tensor> {
    conv2d(&xs.unsqueeze(2)?, &weight.unsqueeze(2)?, bias, &(*config).into())?.squeeze(2)
}

/// Computes [`conv2d`] and the epilogue.
pub(crate) fn convolve(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv2dConfig,
    epilogue: Epilogue,
) -> Result<Tensor> {
    if precision::is_half_on_cpu(&[xs, weight, bias.unwrap_or(weight)]) {
        return precision::weighted_in_f32(xs, weight, bias, |xs, weight, bias| {
            convolve(xs, weight, bias, config, epilogue)
        });
    }
    let (_, _, height, width) = xs.dims4()?;
    let (_, _, kh, kw) = weight.dims4()?;
    config.check_channels(xs, weight, bias)?;
    config.output_size([kh, kw], [height, width])?;
    if config.dilation == [1, 1] {
        return convolve_undilated(xs, weight, bias, config, epilogue);
    }
    // Neighbouring positions, which a pooling would compare, lie in different phases.
    let fused = if epilogue == Epilogue::None { Epilogue::None } else { Epilogue::Relu };
    let ys = dilation::by_phases(xs, [kh, kw], config, |phases, config| {
        convolve_undilated(phases, weight, bias, config, fused)
    })?;
    if epilogue == Epilogue::ReluMaxPool { max_pool2d(&ys, &Window::pool(2)) } else { Ok(ys) }
}

/// Computes [`convolve`] for a configuration whose dilation is 1.
fn convolve_undilated(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv2dConfig,
    epilogue: Epilogue,
) -> Result<Tensor> {
    let (window, groups) = (config.window(weight)?, config.groups);
    let (in_channels, out_channels) = (xs.dim(1)?, weight.dim(0)?);
    if groups == 1 {
        return conv_dense(xs, weight, bias, &window, epilogue);
    }
    if groups == in_channels {
        let xs = repeat_channels(xs, out_channels / groups)?;
        let ys = depthwise(&xs, weight, bias, &window, epilogue != Epilogue::None)?;
        return if epilogue == Epilogue::ReluMaxPool { max_pool2d(&ys, &Window::pool(2)) } else { Ok(ys) };
    }
    let (inputs, outputs) = (in_channels / groups, out_channels / groups);
    let results = (0..groups).map(|group| {
        let xs = xs.narrow(1, group * inputs, inputs)?;
        let weight = weight.narrow(0, group * outputs, outputs)?;
        let bias = bias.map(|bias| bias.narrow(0, group * outputs, outputs)).transpose()?;
        conv_dense(&xs, &weight, bias.as_ref(), &window, epilogue)
    });
    Tensor::cat(&results.collect::<Result<Vec<_>>>()?, 1)
}

/// Repeats each channel of (N, C, H, W) `times` times: the channel multiplier of a depthwise convolution.
fn repeat_channels(xs: &Tensor, times: usize) -> Result<Tensor> {
    if times == 1 {
        return Ok(xs.clone());
    }
    let (n, c, h, w) = xs.dims4()?;
    xs.unsqueeze(2)?.broadcast_as((n, c, times, h, w))?.reshape((n, c * times, h, w))
}
