use crate::batch_norm::{BatchStatistics, batch_norm_train, input_coefficients};
use crate::conv::{check, conv2d};
use crate::cpu::{self, Gradients, batch_norm, conv, conv_norm, fast};
use crate::depthwise::{self, depthwise_conv2d};
use crate::weighted::{Call, Weighted, apply};
use crate::{Epilogue, Window, max_pool2d};
use candle_core::{Result, Shape, Tensor, bail};
use std::sync::{Arc, OnceLock};

/// `batch_norm_train(conv2d(…))`, ReLU and 2×2 max pooling in one operator: fewer passes over the feature maps, and
/// none of candle's own between them.
///
/// # Shapes
/// As [`conv2d`] and [`batch_norm_train`]; `gamma` and `beta` (C_out).
///
/// # Errors
/// As theirs.
#[allow(clippy::too_many_arguments)] // Those of the two operators.
pub fn conv2d_batch_norm_train(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    epilogue: Epilogue,
) -> Result<(Tensor, BatchStatistics)> {
    let shape = conv::Shape { epilogue: Epilogue::None, ..check(xs.dims4()?, weight, bias, window, epilogue)? };
    fused(xs, weight, bias, gamma, beta, eps, epilogue, shape, || conv2d(xs, weight, bias, window))
}

/// `batch_norm_train(depthwise_conv2d(…))`, ReLU and 2×2 max pooling in one operator, as [`conv2d_batch_norm_train`].
///
/// # Shapes
/// As [`depthwise_conv2d`] and [`batch_norm_train`]; `gamma` and `beta` (C).
///
/// # Errors
/// As theirs.
#[allow(clippy::too_many_arguments)] // Those of the two operators.
pub fn depthwise_conv2d_batch_norm_train(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    epilogue: Epilogue,
) -> Result<(Tensor, BatchStatistics)> {
    let shape = depthwise::check(xs.dims4()?, weight, bias, window)?;
    if epilogue == Epilogue::ReluMaxPool && shape.output.iter().any(|&size| size < 2) {
        bail!("depthwise_conv2d_batch_norm_train: an output of {:?} is too small for 2x2 pooling", shape.output)
    }
    fused(xs, weight, bias, gamma, beta, eps, epilogue, shape, || depthwise_conv2d(xs, weight, bias, window))
}

/// Runs the operator, or where there is no kernel for the tensors its parts; `convolve` is the first of them.
#[allow(clippy::too_many_arguments)]
fn fused(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    epilogue: Epilogue,
    inner: impl Inner + 'static,
    convolve: impl Fn() -> Result<Tensor>,
) -> Result<(Tensor, BatchStatistics)> {
    let [batch, channels, height, width] = inner.dims();
    if gamma.dims() != [channels] || beta.dims() != gamma.dims() {
        bail!("batch_norm: {:?} and {:?} do not fit {channels} channels", gamma.dims(), beta.dims())
    }
    if !fast(&[xs, weight, gamma, beta, bias.unwrap_or(weight)]) {
        let (ys, statistics) = batch_norm_train(&convolve()?, gamma, beta, eps, epilogue != Epilogue::None)?;
        let pooled = epilogue == Epilogue::ReluMaxPool;
        return Ok((if pooled { max_pool2d(&ys, &Window::square(2))? } else { ys }, statistics));
    }
    let count = batch * height * width;
    if count < 2 {
        bail!("batch_norm: a batch needs more than one value per channel to have a variance, not {:?}", xs.dims())
    }
    // An operator has three arguments at most. A bias moves the mean and nothing else: its gradient is 0.
    let mut parameters = vec![gamma, beta];
    parameters.extend(bias);
    let saved = Arc::new(OnceLock::new());
    let op = ConvNorm { inner, eps, epilogue, saved: saved.clone() };
    let ys = apply(xs, weight, Some(&Tensor::stack(&parameters, 0)?), op)?;
    let Some(Forward { mean, var, .. }) = saved.get() else { bail!("internal: the operator has not run") };
    let unbias = count as f64 / (count - 1) as f64;
    let unbiased: Vec<f32> = var.iter().map(|v| (*v as f64 * unbias) as f32).collect();
    let mean = Tensor::from_slice(mean, channels, xs.device())?;
    let mean = if let Some(bias) = bias { (mean + bias.detach())? } else { mean };
    Ok((ys, BatchStatistics { mean, var: Tensor::from_vec(unbiased, channels, xs.device())? }))
}

/// The convolution that is normalised; any bias is the caller's.
trait Inner: Send + Sync {
    const NAME: &'static str;

    /// Of its results.
    fn dims(&self) -> conv_norm::Dims;

    fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32>;

    /// `call.dy` is the gradient of what the normalisation and the epilogue made of the results.
    fn backward(&self, call: &Call, norm: &conv_norm::Norm, saved: conv::Saved) -> Gradients;
}

impl Inner for conv::Shape {
    const NAME: &'static str = "conv2d-batch-norm";

    fn dims(&self) -> conv_norm::Dims {
        [self.batch, self.out_channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        conv::forward(self, x, weight, None, false).y
    }

    fn backward(&self, call: &Call, norm: &conv_norm::Norm, saved: conv::Saved) -> Gradients {
        conv::backward(self, call.x, call.weight, saved, Some(norm), call.dy, call.want_dx)
    }
}

impl Inner for cpu::depthwise::Shape {
    const NAME: &'static str = "depthwise-conv2d-batch-norm";

    fn dims(&self) -> conv_norm::Dims {
        [self.batch, self.channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        cpu::depthwise::forward(self, x, weight, None, false)
    }

    fn backward(&self, call: &Call, norm: &conv_norm::Norm, saved: conv::Saved) -> Gradients {
        cpu::depthwise::backward(self, call.x, call.weight, Some((norm, saved)), call.dy, call.want_dx)
    }
}

struct ConvNorm<I> {
    inner: I,
    eps: f64,
    epilogue: Epilogue,
    saved: Arc<OnceLock<Forward>>,
}

/// What the forward pass found out.
struct Forward {
    /// The convolution's results.
    sums: Vec<f32>,
    mean: Vec<f32>,
    var: Vec<f32>,
    /// See [`conv_norm::Norm`].
    affine: Vec<[f32; 2]>,
    winners: Vec<u8>,
}

impl<I: Inner> ConvNorm<I> {
    /// 1 / √(var + ε)
    fn inverse_std(&self, var: &[f32]) -> Vec<f32> {
        var.iter().map(|v| (1. / (*v as f64 + self.eps).sqrt()) as f32).collect()
    }
}

impl<I: Inner> Weighted for ConvNorm<I> {
    const NAME: &'static str = I::NAME;

    /// `parameters`: gamma, beta and what a bias there is, one after the other.
    fn forward(&self, x: &[f32], weight: &[f32], parameters: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let [n, c, h, w] = self.inner.dims();
        let parameters = parameters.expect("gamma and beta are always given");
        let (gamma, beta) = (&parameters[..c], &parameters[c..2 * c]);
        let sums = self.inner.forward(x, weight);
        let (mean, var) = batch_norm::statistics(&sums, [n, c, h * w]);
        let scale: Vec<f32> = gamma.iter().zip(self.inverse_std(&var)).map(|(g, s)| g * s).collect();
        let shift: Vec<f32> = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        let (y, winners) = conv_norm::forward(&sums, self.inner.dims(), &scale, &shift, self.epilogue);
        let affine = scale.into_iter().zip(shift).map(|(scale, shift)| [scale, shift]).collect();
        // An operator is made for one call: nothing is there yet.
        let _ = self.saved.set(Forward { sums, mean, var, affine, winners });
        let [height, width] = self.epilogue.result([h, w]);
        (y, Shape::from((n, c, height, width)))
    }

    /// `call.bias`: the parameters.
    fn backward(&self, call: Call) -> Result<Gradients> {
        let (Some(Forward { sums, mean, var, affine, winners }), Some(parameters)) = (self.saved.get(), call.bias)
        else {
            bail!("internal: a backward pass without a forward pass")
        };
        let [n, c, h, w] = self.inner.dims();
        let epilogue = match self.epilogue {
            Epilogue::None => conv::Saved::Nothing,
            Epilogue::Relu => conv::Saved::Result(call.y),
            Epilogue::ReluMaxPool => conv::Saved::Winners(winners),
        };
        let (sum, centred) = conv_norm::backward_sums(sums, self.inner.dims(), &epilogue, call.dy, mean, affine);
        let inverse_std = self.inverse_std(var);
        let coefficients = input_coefficients(&parameters[..c], mean, &inverse_std, &sum, &centred, n * h * w);
        let norm = conv_norm::Norm { x: sums, dims: self.inner.dims(), affine, coefficients: &coefficients };
        let conv = self.inner.backward(&call, &norm, epilogue);
        // In the order of the parameters: gamma, beta, bias.
        let mut gradients: Vec<f32> = centred.iter().zip(&inverse_std).map(|(s, i)| s * i).collect();
        gradients.extend(&sum);
        gradients.resize(parameters.len(), 0.);
        Ok(Gradients { x: conv.x, weight: conv.weight, bias: gradients })
    }
}
