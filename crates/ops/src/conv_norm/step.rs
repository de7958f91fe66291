use crate::Epilogue;
use crate::batch_norm::input_coefficients;
use crate::cpu::backward_pass::BackwardPass;
use crate::cpu::conv_input::ConvInput;
use crate::cpu::conv_norm::{self, SavedNorm};
use crate::cpu::epilogue::SavedEpilogue;
use crate::cpu::image_sums::ImageSums;
use crate::cpu::{Gradients, batch_norm, conv, depthwise};
use candle_core::{Context, Result};
use std::sync::OnceLock;

/// What a backward pass starts from.
pub struct Pass<'a> {
    pub x: ConvInput<'a>,
    pub weight: &'a [f32],
    pub dy: &'a [f32],
    /// Whether the input has a gradient.
    pub want_dx: bool,
    /// Of dx.
    pub tally: ImageSums<'a>,
}

/// The convolution that is normalised; any bias is the caller's.
pub trait Inner: Send + Sync {
    /// Of its results.
    fn dims(&self) -> [usize; 4];

    /// The results, and a tally of them.
    fn forward(&self, x: ConvInput, weight: &[f32], tally: ImageSums) -> (Vec<f32>, Vec<f32>);

    /// `pass.dy` is the gradient of what the normalisation and the epilogue made of the results. With it comes the tally.
    fn backward(&self, pass: &Pass, norm: &SavedNorm, epilogue: SavedEpilogue) -> (Gradients, Vec<f32>);
}

impl Inner for conv::ConvShape {
    fn dims(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: ConvInput, weight: &[f32], tally: ImageSums) -> (Vec<f32>, Vec<f32>) {
        conv::forward_with_sums(self, x, weight, tally)
    }

    fn backward(&self, pass: &Pass, norm: &SavedNorm, epilogue: SavedEpilogue) -> (Gradients, Vec<f32>) {
        let &Pass { x, weight, dy, want_dx, tally } = pass;
        let pass = BackwardPass { x, weight, dy, saved: epilogue, norm: Some(norm), want_dx, dx_sums: tally };
        conv::backward(self, &pass)
    }
}

impl Inner for depthwise::DepthwiseShape {
    fn dims(&self) -> [usize; 4] {
        [self.batch, self.channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: ConvInput, weight: &[f32], tally: ImageSums) -> (Vec<f32>, Vec<f32>) {
        depthwise::forward_with_sums(self, x, weight, tally)
    }

    fn backward(&self, pass: &Pass, norm: &SavedNorm, epilogue: SavedEpilogue) -> (Gradients, Vec<f32>) {
        let &Pass { x, weight, dy, want_dx, tally } = pass;
        let pass = BackwardPass { x, weight, dy, saved: epilogue, norm: Some(norm), want_dx, dx_sums: tally };
        depthwise::backward(self, &pass)
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
    /// See [`SavedNorm`].
    affine: Vec<[f32; 2]>,
    winners: Vec<u8>,
    /// What the next step reads, if that is not worked out from `sums` as it goes.
    result: Option<Vec<f32>>,
}

impl Step {
    /// 1 / √(var + ε)
    fn inverse_std(&self, var: &[f32]) -> Vec<f32> {
        var.iter().map(|v| (1. / (*v as f64 + self.eps).sqrt()) as f32).collect()
    }

    /// `parameters`: gamma, beta and what bias there is, one after the other. The result of the last step is returned,
    /// that of the others is for [`Step::output`].
    pub fn forward(&self, x: ConvInput, weight: &[f32], parameters: &[f32], is_last: bool) -> Option<Vec<f32>> {
        let dims = self.inner.dims();
        let [n, c, h, w] = dims;
        let (gamma, beta) = (&parameters[..c], &parameters[c..2 * c]);
        let plane_sums = |_, results: &[f32], sums: &mut [f32]| batch_norm::sums_of_planes(results, sums);
        let (sums, plane_sums) = self.inner.forward(x, weight, ImageSums { len: c, sum_image: &plane_sums });
        let (mean, var) = batch_norm::statistics(&sums, [n, c, h * w], &plane_sums);
        let scale = gamma.iter().zip(self.inverse_std(&var)).map(|(g, s)| g * s);
        let affine: Vec<[f32; 2]> = scale.zip(beta.iter().zip(&mean)).map(|(s, (b, m))| [s, b - m * s]).collect();
        let (mut result, mut winners) = (None, Vec::new());
        if is_last || self.epilogue == Epilogue::ReluMaxPool {
            let (y, places) = conv_norm::forward(&sums, dims, &affine, self.epilogue);
            (result, winners) = (Some(y), places);
        }
        let last = if is_last { result.take() } else { None };
        // A step is made for one call: nothing is there yet.
        let _ = self.saved.set(Saved { sums, mean, var, affine, winners, result });
        last
    }

    fn saved(&self) -> Result<&Saved> {
        self.saved.get().context("internal: a backward pass without a forward pass")
    }

    /// What the next step reads.
    pub fn output(&self) -> Result<ConvInput<'_>> {
        let Saved { sums, affine, result, .. } = self.saved()?;
        let normalised = ConvInput::Normalised { x: sums, affine, relu: self.epilogue == Epilogue::Relu };
        Ok(result.as_ref().map_or(normalised, |result| ConvInput::Stored(result)))
    }

    fn norm<'a>(&'a self, saved: &'a Saved) -> (SavedNorm<'a>, SavedEpilogue<'a>) {
        let epilogue = match self.epilogue {
            Epilogue::None => SavedEpilogue::Nothing,
            // What it let pass is worked out again.
            Epilogue::Relu => SavedEpilogue::Result(&[]),
            Epilogue::ReluMaxPool => SavedEpilogue::Winners(&saved.winners),
        };
        let norm = SavedNorm { x: &saved.sums, dims: self.inner.dims(), affine: &saved.affine, coefficients: &[] };
        (norm, epilogue)
    }

    /// Sums of the gradient of the output, which [`Step::backward`] wants: a tally for those who write it.
    pub fn with_tally<R>(&self, f: impl FnOnce(ImageSums) -> R) -> Result<R> {
        let saved = self.saved()?;
        let (norm, epilogue) = self.norm(saved);
        let of_image = |n, dy: &[f32], sums: &mut [f32]| norm.sums_of_image(&epilogue, &saved.mean, n, dy, sums);
        Ok(f(ImageSums { len: 2 * norm.dims[1], sum_image: &of_image }))
    }

    /// `sums` is what [`Step::with_tally`] makes of `pass.dy`, if that has been done; with the gradients comes the tally
    /// of the pass.
    pub fn backward(&self, pass: &Pass, parameters: &[f32], sums: Option<Vec<f32>>) -> Result<(Gradients, Vec<f32>)> {
        let saved = self.saved()?;
        let ((norm, epilogue), mean) = (self.norm(saved), &saved.mean);
        let [n, c, h, w] = norm.dims;
        let sums = sums.unwrap_or_else(|| norm.sums(&epilogue, mean, pass.dy));
        let (sum, centred) = conv_norm::sums_over_images(&sums, c);
        let inverse_std = self.inverse_std(&saved.var);
        let coefficients = input_coefficients(&parameters[..c], mean, &inverse_std, &sum, &centred, n * h * w);
        let norm = SavedNorm { coefficients: &coefficients, ..norm };
        let (conv, tallies) = self.inner.backward(pass, &norm, epilogue);
        // In the order of the parameters: gamma, beta, bias.
        let mut gradients: Vec<f32> = centred.iter().zip(&inverse_std).map(|(s, i)| s * i).collect();
        gradients.extend(&sum);
        gradients.resize(parameters.len(), 0.);
        Ok((Gradients { x: conv.x, weight: conv.weight, bias: gradients }, tallies))
    }
}
