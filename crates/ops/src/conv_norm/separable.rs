use std::sync::{Arc, OnceLock};

use candle_core::{Context, Result, Shape, Tensor};

use super::{
    layer::{ConvBatchNorm, Nchw},
    sequence,
};
use crate::{
    BatchStatistics, Epilogue, Window,
    cpu::{
        Gradients,
        separable::{FeatureMap, Input, Saved, TrainingLayer},
    },
    sizes::check_memory,
    weighted::{self, BackwardArgs, Weighted},
};

/// Depthwise and 1×1 convolutions with batch normalisation in turn, as one operator for a single call. Between the layers,
/// the channels of a position lie side by side.
pub struct Separable {
    layers: Vec<TrainingLayer>,
    /// The numbers of weights and of parameters of each layer.
    lens: Vec<[usize; 2]>,
    result: Nchw,
    /// Set by the forward pass.
    saved: Arc<OnceLock<Vec<Saved>>>,
}

impl Separable {
    /// Returns the number of layers, from the first one on, that this operator computes.
    pub fn count(layers: &[ConvBatchNorm]) -> usize {
        let without_pooling = |layer: &ConvBatchNorm| layer.epilogue != Epilogue::ReluMaxPool;
        let is_pair = |pair: &&[ConvBatchNorm]| {
            pair[0].depthwise
                && !pair[1].depthwise
                && pair[1].window == Window::conv(1)
                && pair.iter().all(without_pooling)
        };
        2 * layers.chunks_exact(2).take_while(is_pair).count()
    }

    /// Creates the operator for an input of the given sizes, or fails if the layers do not fit it.
    pub fn new(input: Nchw, layers: &[ConvBatchNorm]) -> Result<Self> {
        let (mut dims, mut own, mut lens) = (input, Vec::<TrainingLayer>::new(), Vec::new());
        for layer in layers {
            // Checks the sizes.
            let (_, next) = layer.step(dims)?;
            let (batch, channels, height, width) = dims;
            let first = || FeatureMap::new(channels, [height, width], Some(&layer.window));
            let before = own.last().map_or_else(first, |last| last.output().clone());
            let options = (layer.epilogue == Epilogue::Relu, layer.eps);
            own.push(if layer.depthwise {
                let padded = layer.window.padded_size([height, width])?;
                check_memory("conv_batch_norm: a padded input", &[before.pitch, padded[0], padded[1]])?;
                // A longer stride means the same, a single position, but distances computed from it would wrap.
                let stride = [0, 1].map(|axis| layer.window.stride[axis].min(padded[axis]));
                let window = Window { stride, ..layer.window };
                TrainingLayer::depthwise(batch, &before, window, [next.2, next.3], options)
            } else {
                TrainingLayer::pointwise(batch, &before, next.1, options)
            });
            let last = own[own.len() - 1].output();
            check_memory("conv_batch_norm: a result", &[batch, last.len()])?;
            lens.push([layer.weight.elem_count(), layer.parameters().map(Tensor::elem_count).sum()]);
            dims = next;
        }
        Ok(Self { layers: own, lens, result: dims, saved: Arc::default() })
    }

    /// Applies the layers; also returns their batch statistics.
    pub fn apply(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
        let operator = Self::new(xs.dims4()?, layers)?;
        let (saved, counts): (_, Vec<_>) =
            (operator.saved.clone(), operator.layers.iter().map(TrainingLayer::count).collect());
        let [weights, parameters] = sequence::arguments(layers)?;
        let [weights, parameters] = [sequence::concatenated(&weights)?, sequence::concatenated(&parameters)?];
        let ys = weighted::apply(xs, &weights, Some(&parameters), operator)?;
        let saved = saved.get().context("internal: the operator has not run")?;
        let statistics = layers.iter().zip(saved).zip(counts);
        let statistics = statistics.map(|((layer, saved), count)| layer.statistics_of(&saved.mean, &saved.var, count));
        Ok((ys, statistics.collect::<Result<_>>()?))
    }

    /// Splits concatenated weights and parameters into those of each layer.
    fn split<'a>(&self, mut all: [&'a [f32]; 2]) -> Vec<[&'a [f32]; 2]> {
        let parts = self.lens.iter().map(|lens| {
            let parts = [0, 1].map(|i| all[i].split_at(lens[i]));
            all = parts.map(|(_, rest)| rest);
            parts.map(|(part, _)| part)
        });
        parts.collect()
    }
}

/// The bias of the operator holds the parameters of all layers.
impl Weighted for Separable {
    const NAME: &'static str = "separable-conv-batch-norm";

    fn forward(&self, x: &[f32], weight: &[f32], parameters: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let parameters = parameters.expect("gamma and beta are always given");
        let mut all: Vec<Saved> = Vec::new();
        for (layer, [weight, parameters]) in self.layers.iter().zip(self.split([weight, parameters])) {
            let x = all.last().map_or(Input::Planes(x), Input::Layer);
            let [_, channels, _] = layer.dims();
            let (gamma, beta) = (&parameters[..channels], &parameters[channels..2 * channels]);
            let saved = layer.forward(x, weight, gamma, beta);
            all.push(saved);
        }
        let y = self.layers[all.len() - 1].result(&all[all.len() - 1]);
        // The operator is created for a single call, so nothing has been saved before.
        let _ = self.saved.set(all);
        (y, Shape::from(self.result))
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let all = self.saved.get().context("internal: a backward pass without a forward pass")?;
        let parts = self.split([args.weight, args.bias.unwrap_or_default()]);
        let last = self.layers.len() - 1;
        let mut dy = Some(self.layers[last].gradient_of_result(&all[last], args.dy));
        let (mut dx, mut weights, mut biases) = (None, Vec::new(), Vec::new());
        for (i, (layer, [weight, parameters])) in self.layers.iter().zip(parts).enumerate().rev() {
            let dy_of_layer = dy.take().expect("the layer after has computed it");
            let (x, before) = match i.checked_sub(1) {
                Some(before) => (Input::Layer(&all[before]), Some(&self.layers[before])),
                None => (Input::Planes(args.x), None),
            };
            let (gamma, wanted) = (&parameters[..layer.dims()[1]], [args.want_dx, args.want_dw]);
            let (mut gradients, next) = layer.backward((x, &all[i]), before, (weight, gamma), &dy_of_layer, wanted);
            // The gradient of the bias is 0, because the mean is subtracted.
            gradients.bias.resize(parameters.len(), 0.);
            (dx, dy) = (gradients.x, next);
            weights.extend(gradients.weight);
            biases.push(gradients.bias);
        }
        let [weight, bias] = [weights, biases].map(|parts| parts.into_iter().rev().flatten().collect());
        Ok(Gradients { x: dx, weight: args.want_dw.then_some(weight), bias })
    }
}
