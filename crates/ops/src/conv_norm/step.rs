use std::sync::OnceLock;

use candle_core::{Context, Result};

use super::convolution::{ConvBackwardArgs, Convolution};
use crate::{
    Epilogue,
    cpu::{
        batch_norm,
        conv_input::ConvInput,
        conv_norm::{self, NormalisedMaps, SavedNorm},
        finish::Finish,
        pixels::PerChannel,
    },
    parameterised::ParameterisedGradients,
};

/// One convolution with its batch normalisation and epilogue, for a single forward pass.
pub struct Step {
    pub convolution: Box<dyn Convolution>,
    pub eps: f64,
    pub epilogue: Epilogue,
    /// True if the weights need a gradient.
    pub trains_weight: bool,
    /// The length of the convolution's bias, if there is one. The bias has no effect but on the running statistics.
    pub bias_len: Option<usize>,
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
    /// Scale and shift of each channel.
    affine: PerChannel<2>,
    /// The coefficients of [`NormalisedMaps`].
    sum_coefficients: PerChannel<3>,
    /// Which position of each pooling window had the maximum.
    winners: Vec<u8>,
    /// The pooled input of the next step; `None` if the next step computes its input from `conv` while it reads.
    pooled: Option<Vec<f32>>,
}

impl Step {
    /// Returns the number of parameters: the weights, gamma, beta and the bias, if there is one.
    pub fn parameter_count(&self) -> usize {
        3 + usize::from(self.bias_len.is_some())
    }

    /// Computes the step. The last step returns its result, or ReLU of the sum of its result and a shortcut; that of the others
    /// is available from [`Step::output`].
    pub fn forward(
        &self,
        x: ConvInput,
        parameters: &[&[f32]],
        is_last: bool,
        shortcut: Option<&[f32]>,
    ) -> Option<Vec<f32>> {
        let (dims, order) = (self.convolution.dims(), self.convolution.result_order());
        let [_, c, h, w] = dims;
        let [weight, gamma, beta, ..] = *parameters else { unreachable!("a step has its parameters") };
        let sum_image = |_, results: &[f32], moments: &mut [f32]| batch_norm::moments(order, results, moments);
        let (conv, moments) = self.convolution.forward(x, weight, Finish::sum(2 * c, &sum_image));
        let (mean, var) = batch_norm::statistics(h * w, c, &moments);
        let affine = batch_norm::affine(gamma, beta, &mean, &batch_norm::inverse_std(&var, self.eps));
        let is_masked = self.epilogue == Epilogue::Relu;
        let of_sums = mean.iter().zip(&affine).map(|(mean, affine)| {
            let [scale, shift] = if is_masked { *affine } else { batch_norm::NO_MASK };
            [*mean, scale, shift]
        });
        let sum_coefficients = PerChannel::new(of_sums.collect(), order);
        let affine = PerChannel::new(affine, order);
        let (mut result, mut winners) = (None, Vec::new());
        if is_last || self.epilogue == Epilogue::ReluMaxPool {
            let (y, places) = conv_norm::forward(&conv, dims, &affine, self.epilogue, shortcut);
            (result, winners) = (Some(y), places);
        }
        let (last, pooled) = if is_last { (result, None) } else { (None, result) };
        // A step is created for a single call, so nothing has been saved before.
        let _ = self.state.set(ForwardState { conv, mean, var, affine, sum_coefficients, winners, pooled });
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

    fn maps<'a>(&self, state: &'a ForwardState) -> NormalisedMaps<'a> {
        let winners = (self.epilogue == Epilogue::ReluMaxPool).then_some(&state.winners[..]);
        NormalisedMaps { x: &state.conv, dims: self.convolution.dims(), coefficients: &state.sum_coefficients, winners }
    }

    /// Calls `f` with the sums over each image of this step's output gradient that [`Step::backward`] takes, so that the
    /// kernel that writes the gradient computes them.
    pub fn with_gradient_sums<R>(&self, f: impl FnOnce(Finish) -> R) -> Result<R> {
        let maps = self.maps(self.state()?);
        let sum_image = |n, dy: &[f32], sums: &mut [f32]| maps.sums_of_image(n, dy, sums);
        Ok(f(Finish::sum(2 * maps.dims[1], &sum_image)))
    }

    /// Computes the gradients, and the sums over each image of dx. `sums` is what [`Step::with_gradient_sums`] computes
    /// of `args.dy`, if that has been done already.
    pub fn backward(
        &self,
        args: &ConvBackwardArgs,
        gamma: &[f32],
        sums: Option<Vec<f32>>,
    ) -> Result<(ParameterisedGradients, Vec<f32>)> {
        let state = self.state()?;
        let maps = self.maps(state);
        let [n, c, h, w] = maps.dims;
        let sums = sums.unwrap_or_else(|| maps.sums(args.dy));
        let (sum, centred) = batch_norm::sums_over_batch(&sums, c);
        let inverse_std = batch_norm::inverse_std(&state.var, self.eps);
        let totals = [&sum[..], &centred];
        let of_input = batch_norm::input_coefficients(gamma, &inverse_std, totals, n * h * w, maps.coefficients);
        let coefficients = &PerChannel::new(of_input, self.convolution.result_order());
        let (conv, dx_sums) = self.convolution.backward(args, &SavedNorm { maps, coefficients });
        let of_gamma = centred.iter().zip(&inverse_std).map(|(s, i)| s * i).collect();
        let mut parameters = vec![conv.weight, Some(of_gamma), Some(sum)];
        // The gradient of the bias is 0, because the mean is subtracted.
        parameters.extend(self.bias_len.map(|len| Some(vec![0.; len])));
        Ok((ParameterisedGradients { x: conv.x, parameters }, dx_sums))
    }
}
