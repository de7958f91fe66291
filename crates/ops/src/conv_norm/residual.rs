use super::chain::{self, Chain};
use super::{ConvBatchNorm, composed, joined};
use crate::conv::{check, conv2d};
use crate::cpu::backward_pass::BackwardPass;
use crate::cpu::conv_input::ConvInput;
use crate::cpu::epilogue::SavedEpilogue;
use crate::cpu::image_sums::ImageSums;
use crate::cpu::{Gradients, conv, fast, relu};
use crate::weighted::{Call, Weighted, apply};
use crate::{BatchStatistics, Epilogue, Window, add_relu};
use candle_core::{Context, Result, Shape, Tensor, bail};

/// The shortcut of a residual block where that is a convolution and no identity (He et al. 2015, options B and C).
#[derive(Debug, Clone, Copy)]
pub struct Projection<'a> {
    /// (C_out, C_in, kh, kw)
    pub weight: &'a Tensor,
    /// (C_out)
    pub bias: Option<&'a Tensor>,
    pub window: Window,
}

/// A residual block (He et al. 2015) in training, `add_relu(conv_batch_norm_train(xs, layers), shortcut)`, in one operator.
/// The shortcut is `xs` as it is or a projection of it.
///
/// # Shapes
/// As [`super::conv_batch_norm_train`]; the shortcut's is that of the last layer's result.
///
/// # Errors
/// As [`super::conv_batch_norm_train`] and [`conv2d`]; a shortcut of another shape.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ops::{ConvBatchNorm, Epilogue, Projection, Window, residual_conv_batch_norm_train};
///
/// # fn main() -> candle_core::Result<()> {
/// let image = Tensor::randn(0f32, 1., (2, 3, 8, 8), &Device::Cpu)?;
/// let [weight, across] = [(5, 3, 3, 3), (5, 3, 1, 1)].map(|shape| Tensor::randn(0f32, 1., shape, &Device::Cpu));
/// let [gamma, beta] = [Tensor::ones(5, DType::F32, &Device::Cpu)?, Tensor::zeros(5, DType::F32, &Device::Cpu)?];
/// let layer = ConvBatchNorm {
///     weight: &weight?,
///     bias: None,
///     window: Window::conv(3).stride(2).padding(1),
///     depthwise: false,
///     gamma: &gamma,
///     beta: &beta,
///     eps: 1e-5,
///     epilogue: Epilogue::None,
/// };
/// let projection = Projection { weight: &across?, bias: None, window: Window::conv(1).stride(2) };
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
    let (dims, none) = (xs.dims4()?, Epilogue::None);
    let body = Chain::new(dims, layers)?;
    let shape = projection.map(|p| check(dims, p.weight, p.bias, &p.window, none)).transpose()?;
    let shortcut = shape.map_or(dims, |s| (s.batch, s.out_channels, s.output[0], s.output[1]));
    if shortcut != body.result {
        bail!("residual block: the layers give {:?}, the shortcut {shortcut:?}", body.result)
    }
    let projected: Vec<&Tensor> = projection.iter().flat_map(|p| [p.weight].into_iter().chain(p.bias)).collect();
    let all = chain::tensors(layers).chain(projected).chain([xs]);
    if layers.is_empty() || !fast(&all.collect::<Vec<_>>()) {
        let (ys, statistics) = composed(xs, layers)?;
        let shortcut = projection.map_or(Ok(xs.clone()), |p| conv2d(xs, p.weight, p.bias, &p.window))?;
        return Ok((add_relu(&ys, &shortcut)?, statistics));
    }
    let ([mut weights, mut parameters], steps) = (chain::arguments(layers)?, body.steps.clone());
    if let Some(projection) = projection {
        weights.push(projection.weight.flatten_all()?);
        parameters.extend(projection.bias.cloned());
    }
    let ys = apply(xs, &joined(&weights)?, Some(&joined(&parameters)?), Residual { body, projection: shape })?;
    Ok((ys, chain::statistics(layers, &steps)?))
}

struct Residual {
    body: Chain,
    projection: Option<conv::ConvShape>,
}

impl Residual {
    /// Weights and parameters of the layers, and of the projection.
    fn split<'a>(&self, weight: &'a [f32], parameters: &'a [f32]) -> [[&'a [f32]; 2]; 2] {
        let [weights, others] = self.body.lens();
        let ((body, projection), (of_body, bias)) = (weight.split_at(weights), parameters.split_at(others));
        [[body, of_body], [projection, bias]]
    }
}

impl Weighted for Residual {
    const NAME: &'static str = "residual-conv-batch-norm";

    fn forward(&self, x: &[f32], weight: &[f32], parameters: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let parameters = parameters.expect("gamma and beta are always given");
        let [[weight, parameters], [projection, bias]] = self.split(weight, parameters);
        let (mut y, shape) = self.body.forward(x, weight, Some(parameters));
        match &self.projection {
            None => relu::forward_sum_into(&mut y, x),
            Some(s) => {
                let bias = (!bias.is_empty()).then_some(bias);
                relu::forward_sum_into(&mut y, &conv::forward(s, x, projection, bias, false).y);
            }
        }
        (y, shape)
    }

    /// `call.bias`: the parameters.
    fn backward(&self, call: Call) -> Result<Gradients> {
        let [[weight, parameters], [projection, bias]] = self.split(call.weight, call.bias.unwrap_or_default());
        let dy = relu::backward(call.y, call.dy);
        let mut gradients = self.body.backward(Call { weight, bias: Some(parameters), dy: &dy, ..call })?;
        let Some(s) = &self.projection else {
            if let Some(dx) = &mut gradients.x {
                relu::add_into(dx, &dy);
            }
            return Ok(gradients);
        };
        let (x, saved) = (ConvInput::Stored(call.x), SavedEpilogue::Nothing);
        let (want_dx, dx_sums) = (call.want_dx, ImageSums::NONE);
        let pass = BackwardPass { x, weight: projection, dy: &dy, saved, norm: None, want_dx, dx_sums };
        let (shortcut, _) = conv::backward(s, &pass);
        if let Some(dx) = &mut gradients.x {
            relu::add_into(dx, &shortcut.x.context("internal: a convolution without the gradient asked for")?);
        }
        gradients.weight.extend(shortcut.weight);
        gradients.bias.extend(shortcut.bias.into_iter().take(bias.len()));
        Ok(gradients)
    }
}
