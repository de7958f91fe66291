use crate::Epilogue;
use crate::batch_norm::input_coefficients;
use crate::cpu::{self, Gradients, batch_norm, conv, conv_norm};
use crate::weighted::Call;
use candle_core::{Result, bail};
use std::sync::OnceLock;

/// The convolution that is normalised; any bias is the caller's.
pub trait Inner: Send + Sync {
    /// Of its results.
    fn dims(&self) -> conv_norm::Dims;

    fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32>;

    /// `call.dy` is the gradient of what the normalisation and the epilogue made of the results.
    fn backward(&self, call: &Call, norm: &conv_norm::Norm, saved: conv::Saved) -> Gradients;
}

impl Inner for conv::Shape {
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

/// One layer of the chain, for one call.
pub struct Step {
    pub inner: Box<dyn Inner>,
    pub eps: f64,
    pub epilogue: Epilogue,
    pub saved: OnceLock<Saved>,
}

/// What the forward pass found out.
pub struct Saved {
    /// The convolution's results.
    sums: Vec<f32>,
    pub mean: Vec<f32>,
    /// Biased.
    pub var: Vec<f32>,
    /// See [`conv_norm::Norm`].
    affine: Vec<[f32; 2]>,
    winners: Vec<u8>,
}

impl Step {
    /// 1 / √(var + ε)
    fn inverse_std(&self, var: &[f32]) -> Vec<f32> {
        var.iter().map(|v| (1. / (*v as f64 + self.eps).sqrt()) as f32).collect()
    }

    /// `parameters`: gamma, beta and what bias there is, one after the other.
    pub fn forward(&self, x: &[f32], weight: &[f32], parameters: &[f32]) -> Vec<f32> {
        let [n, c, h, w] = self.inner.dims();
        let (gamma, beta) = (&parameters[..c], &parameters[c..2 * c]);
        let sums = self.inner.forward(x, weight);
        let (mean, var) = batch_norm::statistics(&sums, [n, c, h * w]);
        let scale: Vec<f32> = gamma.iter().zip(self.inverse_std(&var)).map(|(g, s)| g * s).collect();
        let shift: Vec<f32> = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        let (y, winners) = conv_norm::forward(&sums, self.inner.dims(), &scale, &shift, self.epilogue);
        let affine = scale.into_iter().zip(shift).map(|(scale, shift)| [scale, shift]).collect();
        // A step is made for one call: nothing is there yet.
        let _ = self.saved.set(Saved { sums, mean, var, affine, winners });
        y
    }

    /// `call.bias`: the parameters.
    pub fn backward(&self, call: Call) -> Result<Gradients> {
        let (Some(Saved { sums, mean, var, affine, winners }), Some(parameters)) = (self.saved.get(), call.bias) else {
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
