use super::step::{Pass, Step};
use super::{BatchStatistics, ConvBatchNorm};
use crate::cpu::Gradients;
use crate::cpu::conv_input::ConvInput;
use crate::cpu::image_sums::ImageSums;
use crate::weighted::{Call, Weighted};
use candle_core::{Result, Shape, Tensor};
use std::sync::{Arc, OnceLock};

/// (N, C, H, W)
pub type Dims = (usize, usize, usize, usize);

/// All weights of the layers and all their parameters, as vectors.
pub fn arguments(layers: &[ConvBatchNorm]) -> Result<[Vec<Tensor>; 2]> {
    let weights = layers.iter().map(|layer| layer.weight.flatten_all()).collect::<Result<_>>()?;
    Ok([weights, layers.iter().flat_map(ConvBatchNorm::parameters).cloned().collect()])
}

/// All of them, as they are.
pub fn tensors<'a>(layers: &'a [ConvBatchNorm]) -> impl Iterator<Item = &'a Tensor> {
    layers.iter().flat_map(|layer| [layer.weight].into_iter().chain(layer.parameters()))
}

/// What the layers saw, once they have run.
pub fn statistics(layers: &[ConvBatchNorm], steps: &[Step]) -> Result<Vec<BatchStatistics>> {
    layers.iter().zip(steps).map(|(layer, step)| layer.statistics(step)).collect()
}

/// Layers one after the other as one operator, for one call.
pub struct Chain {
    pub steps: Arc<Vec<Step>>,
    /// Of the weights and the parameters of each.
    lens: Vec<[usize; 2]>,
    /// The sizes of the last result.
    pub result: Dims,
}

impl Chain {
    /// For an input of these sizes, if the layers fit it.
    pub fn new(input: Dims, layers: &[ConvBatchNorm]) -> Result<Self> {
        let (mut result, mut steps, mut lens) = (input, Vec::new(), Vec::new());
        for layer in layers {
            let inner = layer.inner(result)?;
            let [n, c, h, w] = inner.dims();
            let [oh, ow] = layer.epilogue.result([h, w]);
            result = (n, c, oh, ow);
            steps.push(Step { inner, eps: layer.eps, epilogue: layer.epilogue, saved: OnceLock::new() });
            lens.push([layer.weight.elem_count(), layer.parameters().map(Tensor::elem_count).sum()]);
        }
        Ok(Self { steps: Arc::new(steps), lens, result })
    }

    /// How many values of weights and of parameters there are.
    pub fn lens(&self) -> [usize; 2] {
        [0, 1].map(|i| self.lens.iter().map(|lens| lens[i]).sum())
    }

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
        let (mut x, mut y) = (ConvInput::Stored(x), None);
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
            let (x, want_dx) = (ConvInput::Stored(call.x), call.want_dx);
            let pass = Pass { x, weight, dy, want_dx, tally: ImageSums::NONE };
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
