use crate::batch_norm::{BatchStatistics, batch_norm_train, input_coefficients};
use crate::conv::{check, conv2d};
use crate::cpu::{Gradients, batch_norm, conv, conv_norm, fast};
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
    if gamma.dims() != [shape.out_channels] || beta.dims() != gamma.dims() {
        bail!("batch_norm: {:?} and {:?} do not fit {} channels", gamma.dims(), beta.dims(), shape.out_channels)
    }
    if !fast(&[xs, weight, gamma, beta, bias.unwrap_or(weight)]) {
        let ys = conv2d(xs, weight, bias, window)?;
        let (ys, statistics) = batch_norm_train(&ys, gamma, beta, eps, epilogue != Epilogue::None)?;
        let pooled = epilogue == Epilogue::ReluMaxPool;
        return Ok((if pooled { max_pool2d(&ys, &Window::square(2))? } else { ys }, statistics));
    }
    let count = shape.batch * shape.output[0] * shape.output[1];
    if count < 2 {
        bail!("batch_norm: a batch needs more than one value per channel to have a variance, not {:?}", xs.dims())
    }
    // An operator has three arguments at most. A bias moves the mean and nothing else: its gradient is 0.
    let mut parameters = vec![gamma, beta];
    parameters.extend(bias);
    let saved = Arc::new(OnceLock::new());
    let op = ConvNorm { shape, eps, epilogue, saved: saved.clone() };
    let ys = apply(xs, weight, Some(&Tensor::stack(&parameters, 0)?), op)?;
    let Some(Forward { mean, var, .. }) = saved.get() else { bail!("internal: the operator has not run") };
    let unbias = count as f64 / (count - 1) as f64;
    let unbiased: Vec<f32> = var.iter().map(|v| (*v as f64 * unbias) as f32).collect();
    let mean = Tensor::from_slice(mean, shape.out_channels, xs.device())?;
    let mean = if let Some(bias) = bias { (mean + bias.detach())? } else { mean };
    Ok((ys, BatchStatistics { mean, var: Tensor::from_vec(unbiased, shape.out_channels, xs.device())? }))
}

struct ConvNorm {
    /// Of the convolution alone.
    shape: conv::Shape,
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
    winners: Vec<u8>,
}

impl ConvNorm {
    fn dims(&self) -> conv_norm::Dims {
        let conv::Shape { batch, out_channels, output: [height, width], .. } = self.shape;
        [batch, out_channels, height, width]
    }

    /// 1 / √(var + ε)
    fn inverse_std(&self, var: &[f32]) -> Vec<f32> {
        var.iter().map(|v| (1. / (*v as f64 + self.eps).sqrt()) as f32).collect()
    }
}

impl Weighted for ConvNorm {
    const NAME: &'static str = "conv2d-batch-norm";

    /// `parameters`: gamma, beta and what a bias there is, one after the other.
    fn forward(&self, x: &[f32], weight: &[f32], parameters: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let [n, c, h, w] = self.dims();
        let parameters = parameters.expect("gamma and beta are always given");
        let (gamma, beta) = (&parameters[..c], &parameters[c..2 * c]);
        let sums = conv::forward(&self.shape, x, weight, None, false).y;
        let (mean, var) = batch_norm::statistics(&sums, [n, c, h * w]);
        let scale: Vec<f32> = gamma.iter().zip(self.inverse_std(&var)).map(|(g, s)| g * s).collect();
        let shift: Vec<f32> = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        let (y, winners) = conv_norm::forward(&sums, self.dims(), &scale, &shift, self.epilogue);
        // An operator is made for one call: nothing is there yet.
        let _ = self.saved.set(Forward { sums, mean, var, winners });
        let [height, width] = self.epilogue.result([h, w]);
        (y, Shape::from((n, c, height, width)))
    }

    /// `call.bias`: the parameters.
    fn backward(&self, call: Call) -> Result<Gradients> {
        let (Some(Forward { sums, mean, var, winners }), Some(parameters)) = (self.saved.get(), call.bias) else {
            bail!("internal: a backward pass without a forward pass")
        };
        let [n, c, h, w] = self.dims();
        let epilogue = match self.epilogue {
            Epilogue::None => conv::Saved::Nothing,
            Epilogue::Relu => conv::Saved::Result(call.y),
            Epilogue::ReluMaxPool => conv::Saved::Winners(winners),
        };
        let (sum, centred) = conv_norm::backward_sums(sums, self.dims(), &epilogue, call.dy, mean);
        let inverse_std = self.inverse_std(var);
        let coefficients = input_coefficients(&parameters[..c], mean, &inverse_std, &sum, &centred, n * h * w);
        let norm = conv_norm::Norm { x: sums, dims: self.dims(), coefficients: &coefficients };
        let conv = conv::backward(&self.shape, call.x, call.weight, epilogue, Some(&norm), call.dy, call.want_dx);
        // In the order of the parameters: gamma, beta, bias.
        let mut gradients: Vec<f32> = centred.iter().zip(&inverse_std).map(|(s, i)| s * i).collect();
        gradients.extend(&sum);
        gradients.resize(parameters.len(), 0.);
        Ok(Gradients { x: conv.x, weight: conv.weight, bias: gradients })
    }
}
