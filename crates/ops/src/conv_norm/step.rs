use std::sync::OnceLock;

use candle_core::{Context, Result};

use super::convolution::{ConvBackwardArgs, Convolution};
use crate::{
    Epilogue,
    cpu::{
        Gradients, batch_norm,
        conv_input::ConvInput,
        conv_norm::{self, SavedNorm},
        epilogue::SavedEpilogue,
        image_sums::ImageSums,
    },
};

/// One convolution with its batch normalisation and epilogue, for a single forward pass.
pub struct Step {
    pub convolution: Box<dyn Convolution>,
    pub eps: f64,
    pub epilogue: Epilogue,
    /// True if the weights need a gradient.
    pub trains_weight: bool,
    /// Set by the forward pass.
    pub state: OnceLock<ForwardState>,
}

/// The values that the forward pass of a step saves.
pub struct ForwardState {
    /// The result of the convolution.
    conv: Vec<f32>,
    /// The mean of each channel of the batch.
    pub mean: Vec<f32>,
    /// The biased variance of each channel of the batch.
    pub var: Vec<f32>,
    /// Scale and shift of each channel; see [`SavedNorm`].
    affine: Vec<[f32; 2]>,
    /// Which position of each pooling window had the maximum.
    winners: Vec<u8>,
    /// The pooled input of the next step; `None` if the next step computes its input from `conv` while it reads.
    pooled: Option<Vec<f32>>,
}

impl Step {
    /// Computes the step. `parameters` are gamma, beta and the bias, if there is one, concatenated. The last step returns
    /// its result; that of the others is available from [`Step::output`].
    pub fn forward(&self, x: ConvInput, weight: &[f32], parameters: &[f32], is_last: bool) -> Option<Vec<f32>> {
        let dims = self.convolution.dims();
        let [n, c, h, w] = dims;
        let (gamma, beta) = (&parameters[..c], &parameters[c..2 * c]);
        let moments = |_, results: &[f32], moments: &mut [f32]| batch_norm::moments_of_planes(results, moments);
        let (conv, moments) = self.convolution.forward(x, weight, ImageSums { len: 2 * c, sum_image: &moments });
        let (mean, var) = batch_norm::statistics([n, c, h * w], &moments);
        let affine = batch_norm::affine(gamma, beta, &mean, &batch_norm::inverse_std(&var, self.eps));
        let (mut result, mut winners) = (None, Vec::new());
        if is_last || self.epilogue == Epilogue::ReluMaxPool {
            let (y, places) = conv_norm::forward(&conv, dims, &affine, self.epilogue);
            (result, winners) = (Some(y), places);
        }
        let (last, pooled) = if is_last { (result, None) } else { (None, result) };
        // A step is created for a single call, so nothing has been saved before.
        let _ = self.state.set(ForwardState { conv, mean, var, affine, winners, pooled });
        last
    }

    fn state(&self) -> Result<&ForwardState> {
        self.state.get().context("internal: a backward pass without a forward pass")
    }

    /// Returns the input of the next step.
    pub fn output(&self) -> Result<ConvInput<'_>> {
        let ForwardState { conv, affine, pooled, .. } = self.state()?;
        let normalised = ConvInput::Normalised { x: conv, affine, relu: self.epilogue == Epilogue::Relu };
        Ok(pooled.as_ref().map_or(normalised, |pooled| ConvInput::Stored(pooled)))
    }

    fn norm<'a>(&'a self, state: &'a ForwardState) -> (SavedNorm<'a>, SavedEpilogue<'a>) {
        let epilogue = match self.epilogue {
            Epilogue::None => SavedEpilogue::Nothing,
            // Which values passed the ReLU is computed again.
            Epilogue::Relu => SavedEpilogue::Result(&[]),
            Epilogue::ReluMaxPool => SavedEpilogue::Winners(&state.winners),
        };
        let norm =
            SavedNorm { x: &state.conv, dims: self.convolution.dims(), affine: &state.affine, coefficients: &[] };
        (norm, epilogue)
    }

    /// Calls `f` with the sums over each image of this step's output gradient that [`Step::backward`] takes, so that the
    /// kernel that writes the gradient computes them.
    pub fn with_gradient_sums<R>(&self, f: impl FnOnce(ImageSums) -> R) -> Result<R> {
        let state = self.state()?;
        let (norm, epilogue) = self.norm(state);
        let of_image = |n, dy: &[f32], sums: &mut [f32]| norm.sums_of_image(&epilogue, &state.mean, n, dy, sums);
        Ok(f(ImageSums { len: 2 * norm.dims[1], sum_image: &of_image }))
    }

    /// Computes the gradients, and the sums over each image of dx. `sums` is what [`Step::with_gradient_sums`] computes
    /// of `args.dy`, if that has been done already.
    pub fn backward(
        &self,
        args: &ConvBackwardArgs,
        parameters: &[f32],
        sums: Option<Vec<f32>>,
    ) -> Result<(Gradients, Vec<f32>)> {
        let state = self.state()?;
        let ((norm, epilogue), mean) = (self.norm(state), &state.mean);
        let [n, c, h, w] = norm.dims;
        let sums = sums.unwrap_or_else(|| norm.sums(&epilogue, mean, args.dy));
        let (sum, centred) = conv_norm::sums_over_images(&sums, c);
        let inverse_std = batch_norm::inverse_std(&state.var, self.eps);
        let coefficients =
            batch_norm::input_coefficients(&parameters[..c], mean, &inverse_std, &sum, &centred, n * h * w);
        let norm = SavedNorm { coefficients: &coefficients, ..norm };
        let (conv, dx_sums) = self.convolution.backward(args, &norm, epilogue);
        // In the order of the parameters: gamma, beta and the bias, whose gradient is 0 because the mean is subtracted.
        let mut gradients: Vec<f32> = centred.iter().zip(&inverse_std).map(|(s, i)| s * i).collect();
        gradients.extend(&sum);
        gradients.resize(parameters.len(), 0.);
        Ok((Gradients { x: conv.x, weight: conv.weight, bias: gradients }, dx_sums))
    }
}
