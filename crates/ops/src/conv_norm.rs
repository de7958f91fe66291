mod step;

use crate::batch_norm::{BatchStatistics, batch_norm_train};
use crate::conv::{check, conv2d};
use crate::cpu::source::Source;
use crate::cpu::tally::Tally;
use crate::cpu::{Gradients, conv, fast};
use crate::depthwise::{self, depthwise_conv2d};
use crate::weighted::{Call, Weighted, apply};
use crate::{Epilogue, Window, max_pool2d};
use candle_core::{Context, Result, Shape, Tensor, bail};
use std::sync::{Arc, OnceLock};
use step::{Inner, Pass, Saved, Step};

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
///     window: Window::square(3).stride(1).padding(1),
///     depthwise: true,
///     gamma: &three_ones,
///     beta: &three_zeros,
///     eps: 1e-5,
///     epilogue: Epilogue::Relu,
/// };
/// let window = Window::square(1);
/// let pointwise = ConvBatchNorm { weight: &across?, window, depthwise: false, gamma: &ones, beta: &zeros, ..depthwise };
/// let (features, statistics) = conv_batch_norm_train(&image, &[depthwise, pointwise])?;
/// assert_eq!(features.dims(), [2, 5, 8, 8]);
/// assert_eq!(statistics[1].mean.dims(), [5]);
/// # Ok(())
/// # }
/// ```
pub fn conv_batch_norm_train(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    let (mut dims, mut steps) = (xs.dims4()?, Vec::new());
    for layer in layers {
        let inner = layer.inner(dims)?;
        let [n, c, h, w] = inner.dims();
        let [oh, ow] = layer.epilogue.result([h, w]);
        dims = (n, c, oh, ow);
        steps.push(Step { inner, eps: layer.eps, epilogue: layer.epilogue, saved: OnceLock::new() });
    }
    let tensors =
        layers.iter().flat_map(|layer| [layer.weight, layer.gamma, layer.beta, layer.bias.unwrap_or(layer.beta)]);
    if steps.is_empty() || !fast(&tensors.chain([xs]).collect::<Vec<_>>()) {
        return composed(xs, layers);
    }
    // An operator has three arguments at most.
    let weights = layers.iter().map(|layer| layer.weight.flatten_all()).collect::<Result<Vec<_>>>()?;
    let parameters: Vec<&Tensor> = layers.iter().flat_map(ConvBatchNorm::parameters).collect();
    let parameters_of = |layer: &ConvBatchNorm| layer.parameters().map(|parameter| parameter.elem_count()).sum();
    let lens = layers.iter().map(|layer| [layer.weight.elem_count(), parameters_of(layer)]).collect();
    let steps = Arc::new(steps);
    let chain = Chain { steps: steps.clone(), lens, result: dims };
    let weights = if let [weights] = &weights[..] { weights.clone() } else { Tensor::cat(&weights, 0)? };
    let ys = apply(xs, &weights, Some(&Tensor::cat(&parameters, 0)?), chain)?;
    let statistics =
        layers.iter().zip(steps.iter()).map(|(layer, step)| layer.statistics(step)).collect::<Result<_>>()?;
    Ok((ys, statistics))
}

/// The parts one by one, where there is no kernel for the tensors.
fn composed(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    let (mut xs, mut all) = (xs.clone(), Vec::new());
    for layer in layers {
        let ConvBatchNorm { weight, bias, window, gamma, beta, eps, epilogue, .. } = *layer;
        let convolve = if layer.depthwise { depthwise_conv2d } else { conv2d };
        let (ys, statistics) =
            batch_norm_train(&convolve(&xs, weight, bias, &window)?, gamma, beta, eps, epilogue != Epilogue::None)?;
        xs = if epilogue == Epilogue::ReluMaxPool { max_pool2d(&ys, &Window::square(2))? } else { ys };
        all.push(statistics);
    }
    Ok((xs, all))
}

impl ConvBatchNorm<'_> {
    /// The convolution of an input of these sizes, if all of the layer fits it.
    fn inner(&self, dims: (usize, usize, usize, usize)) -> Result<Box<dyn Inner>> {
        let Self { weight, bias, window, gamma, beta, epilogue, .. } = *self;
        let inner: Box<dyn Inner> = if self.depthwise {
            Box::new(depthwise::check(dims, weight, bias, &window)?)
        } else {
            let shape = check(dims, weight, bias, &window, epilogue)?;
            Box::new(conv::Shape { epilogue: Epilogue::None, ..shape })
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

struct Chain {
    steps: Arc<Vec<Step>>,
    /// Of the weights and the parameters of each.
    lens: Vec<[usize; 2]>,
    /// The sizes of the last result.
    result: (usize, usize, usize, usize),
}

impl Chain {
    /// The weights and the parameters of each step.
    fn split<'a>(&self, mut all: [&'a [f32]; 2]) -> Vec<[&'a [f32]; 2]> {
        let parts = self.lens.iter().map(|lens| {
            let parts = [0, 1].map(|i| all[i].split_at(lens[i]));
            all = parts.map(|(_, rest)| rest);
            parts.map(|(part, _)| part)
        });
        parts.collect()
    }
}

impl Weighted for Chain {
    const NAME: &'static str = "conv-batch-norm";

    fn forward(&self, x: &[f32], weight: &[f32], parameters: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let parameters = parameters.expect("gamma and beta are always given");
        let (mut x, mut y) = (Source::Images(x), None);
        for (i, (step, [weight, parameters])) in self.steps.iter().zip(self.split([weight, parameters])).enumerate() {
            y = step.forward(x, weight, parameters, i + 1 == self.steps.len());
            x = step.output().expect("it has run");
        }
        (y.expect("at least one step"), Shape::from(self.result))
    }

    /// `call.bias`: the parameters.
    fn backward(&self, call: Call) -> Result<Gradients> {
        let parts = self.split([call.weight, call.bias.unwrap_or_default()]);
        let (mut dx, mut sums, mut weights, mut biases) = (None, None, Vec::new(), Vec::new());
        for (i, (step, [weight, parameters])) in self.steps.iter().zip(parts).enumerate().rev() {
            let dy = dx.as_deref().unwrap_or(call.dy);
            let (x, want_dx) = (Source::Images(call.x), call.want_dx);
            let pass = Pass { x, weight, dy, want_dx, tally: Tally::NONE };
            let (gradients, tallies) = match i.checked_sub(1).map(|i| &self.steps[i]) {
                Some(before) => {
                    let x = before.output()?;
                    before.with_tally(|tally| {
                        step.backward(&Pass { x, want_dx: true, tally, ..pass }, parameters, sums)
                    })?
                }
                None => step.backward(&pass, parameters, sums),
            }?;
            (dx, sums) = (gradients.x, Some(tallies));
            weights.push(gradients.weight);
            biases.push(gradients.bias);
        }
        let [weight, bias] = [weights, biases].map(|parts| parts.into_iter().rev().flatten().collect());
        Ok(Gradients { x: dx, weight, bias })
    }
}
