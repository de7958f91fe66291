use crate::Epilogue;
use crate::batch_norm::input_coefficients;
use crate::cpu::conv_norm::{self, Norm};
use crate::cpu::tally::Tally;
use crate::cpu::{self, Gradients, batch_norm, conv};
use crate::weighted::Call;
use candle_core::{Context, Result};
use std::sync::OnceLock;

/// The convolution that is normalised; any bias is the caller's.
pub trait Inner: Send + Sync {
    /// Of its results.
    fn dims(&self) -> conv_norm::Dims;

    /// The results, and a tally of them.
    fn forward(&self, x: &[f32], weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>);

    /// `call.dy` is the gradient of what the normalisation and the epilogue made of the results. With it comes a tally of
    /// dx.
    fn backward(&self, call: &Call, norm: &Norm, saved: conv::Saved, tally: Tally) -> (Gradients, Vec<f32>);
}

impl Inner for conv::Shape {
    fn dims(&self) -> conv_norm::Dims {
        [self.batch, self.out_channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: &[f32], weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>) {
        conv::forward_tallied(self, x, weight, tally)
    }

    fn backward(&self, call: &Call, norm: &Norm, saved: conv::Saved, tally: Tally) -> (Gradients, Vec<f32>) {
        conv::backward(self, call.x, call.weight, saved, Some(norm), call.dy, call.want_dx, tally)
    }
}

impl Inner for cpu::depthwise::Shape {
    fn dims(&self) -> conv_norm::Dims {
        [self.batch, self.channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: &[f32], weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>) {
        cpu::depthwise::forward_tallied(self, x, weight, tally)
    }

    fn backward(&self, call: &Call, norm: &Norm, saved: conv::Saved, tally: Tally) -> (Gradients, Vec<f32>) {
        cpu::depthwise::backward(self, call.x, call.weight, Some((norm, saved)), call.dy, call.want_dx, tally)
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
        let plane_sums = |_, results: &[f32], sums: &mut [f32]| batch_norm::sums_of_planes(results, sums);
        let (sums, plane_sums) = self.inner.forward(x, weight, Tally { len: c, of_image: &plane_sums });
        let (mean, var) = batch_norm::statistics(&sums, [n, c, h * w], &plane_sums);
        let scale: Vec<f32> = gamma.iter().zip(self.inverse_std(&var)).map(|(g, s)| g * s).collect();
        let shift: Vec<f32> = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        let (y, winners) = conv_norm::forward(&sums, self.inner.dims(), &scale, &shift, self.epilogue);
        let affine = scale.into_iter().zip(shift).map(|(scale, shift)| [scale, shift]).collect();
        // A step is made for one call: nothing is there yet.
        let _ = self.saved.set(Saved { sums, mean, var, affine, winners });
        y
    }

    fn saved(&self) -> Result<&Saved> {
        self.saved.get().context("internal: a backward pass without a forward pass")
    }

    /// Sums of the gradient of what [`Step::forward`] gave, which [`Step::backward`] wants: a tally for those who write it.
    pub fn with_tally<R>(&self, f: impl FnOnce(Tally) -> R) -> Result<R> {
        let (saved, epilogue) = (self.saved()?, self.epilogue()?);
        let norm = Norm { x: &saved.sums, dims: self.inner.dims(), affine: &saved.affine, coefficients: &[] };
        let of_image = |n, dy: &[f32], sums: &mut [f32]| norm.sums_of_image(&epilogue, &saved.mean, n, dy, sums);
        Ok(f(Tally { len: 2 * norm.dims[1], of_image: &of_image }))
    }

    /// With pooling the winners. Where ReLU let a value pass is computed anew.
    fn epilogue(&self) -> Result<conv::Saved<'_>> {
        Ok(match self.epilogue {
            Epilogue::None => conv::Saved::Nothing,
            Epilogue::Relu => conv::Saved::Result(&[]),
            Epilogue::ReluMaxPool => conv::Saved::Winners(&self.saved()?.winners),
        })
    }

    /// `call.bias`: the parameters. `sums` is what [`Step::with_tally`] makes of `call.dy`, if that has been done; with the
    /// gradients comes a tally of dx.
    pub fn backward(&self, call: Call, sums: Option<Vec<f32>>, tally: Tally) -> Result<(Gradients, Vec<f32>)> {
        let (saved, epilogue, parameters) = (self.saved()?, self.epilogue()?, call.bias.unwrap_or_default());
        let (mean, dims) = (&saved.mean, self.inner.dims());
        let [n, c, h, w] = dims;
        let norm = Norm { x: &saved.sums, dims, affine: &saved.affine, coefficients: &[] };
        let sums = sums.unwrap_or_else(|| norm.sums(&epilogue, mean, call.dy));
        let (sum, centred) = conv_norm::over_images(&sums, c);
        let inverse_std = self.inverse_std(&saved.var);
        let coefficients = input_coefficients(&parameters[..c], mean, &inverse_std, &sum, &centred, n * h * w);
        let norm = Norm { coefficients: &coefficients, ..norm };
        let (conv, tallies) = self.inner.backward(&call, &norm, epilogue, tally);
        // In the order of the parameters: gamma, beta, bias.
        let mut gradients: Vec<f32> = centred.iter().zip(&inverse_std).map(|(s, i)| s * i).collect();
        gradients.extend(&sum);
        gradients.resize(parameters.len(), 0.);
        Ok((Gradients { x: conv.x, weight: conv.weight, bias: gradients }, tallies))
    }
}
