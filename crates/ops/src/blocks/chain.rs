use std::sync::OnceLock;

use candle_core::{Context, Result, Shape, Tensor};

use super::to_planes::ToPlanes;
use crate::{
    conv_norm::Nchw,
    cpu::Gradients,
    weighted::{BackwardArgs, Weighted, apply},
};

/// An operator of a [`Chain`] with its parameters.
pub struct Link {
    pub operator: Box<dyn Weighted>,
    /// All weights, in the order in which the operator reads them.
    pub weights: Vec<Tensor>,
    /// The biases and other parameters, likewise. If there are none, the operator gets no bias.
    pub biases: Vec<Tensor>,
}

impl Link {
    /// Creates an operator that brings feature maps of these sizes, which are channels last, into the order of candle's tensors.
    pub fn to_planes(sizes: Nchw) -> Self {
        Self { operator: Box::new(ToPlanes { sizes }), weights: Vec::new(), biases: Vec::new() }
    }
}

/// Applies operators one after the other as a single operator of candle, for which all weights are one tensor, and all
/// biases another: an operator has three arguments at most.
pub fn apply_chain(xs: &Tensor, links: Vec<Link>) -> Result<Tensor> {
    let (mut operators, mut weights, mut biases) = (Vec::new(), Vec::new(), Vec::new());
    for link in links {
        let sizes = [&link.weights, &link.biases].map(|tensors| tensors.iter().map(Tensor::elem_count).sum());
        let has_trained_weights = link.weights.iter().any(Tensor::track_op);
        operators.push(ChainOperator { operator: link.operator, sizes, has_trained_weights });
        weights.extend(link.weights);
        biases.extend(link.biases);
    }
    let weight = concatenated(&weights)?;
    let bias = if biases.is_empty() { None } else { Some(concatenated(&biases)?) };
    apply(xs, &weight, bias.as_ref(), Chain { operators, results: OnceLock::new() })
}

/// Concatenates the values of tensors.
fn concatenated(tensors: &[Tensor]) -> Result<Tensor> {
    let flat = tensors.iter().map(Tensor::flatten_all).collect::<Result<Vec<_>>>()?;
    if let [tensor] = &flat[..] { Ok(tensor.clone()) } else { Tensor::cat(&flat, 0) }
}

struct ChainOperator {
    operator: Box<dyn Weighted>,
    /// The numbers of values of its weights and of its biases.
    sizes: [usize; 2],
    /// True if any of its weights takes part in a graph.
    has_trained_weights: bool,
}

/// An operator with its weights and biases.
type WithParameters<'a> = (&'a ChainOperator, &'a [f32], Option<&'a [f32]>);

/// Operators one after the other, for a single call.
struct Chain {
    operators: Vec<ChainOperator>,
    /// The results of all operators but the last, which are set by the forward pass.
    results: OnceLock<Vec<Vec<f32>>>,
}

impl Chain {
    /// Returns each operator with its part of all weights and biases.
    fn with_parameters<'a>(&'a self, mut weights: &'a [f32], mut biases: &'a [f32]) -> Vec<WithParameters<'a>> {
        let parts = self.operators.iter().map(|operator| {
            let ([weight_len, bias_len], weight, bias) = (operator.sizes, weights, biases);
            (weights, biases) = (&weights[weight_len..], &biases[bias_len..]);
            (operator, &weight[..weight_len], (bias_len > 0).then_some(&bias[..bias_len]))
        });
        parts.collect()
    }
}

impl Weighted for Chain {
    fn name(&self) -> &'static str {
        "blocks"
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let (mut results, mut shape) = (Vec::<Vec<f32>>::new(), Shape::from(()));
        for (part, weight, bias) in self.with_parameters(weight, bias.unwrap_or_default()) {
            let (y, of_y) = part.operator.forward(results.last().map_or(x, |y| y), weight, bias);
            results.push(y);
            shape = of_y;
        }
        let y = results.pop().expect("there is an operator");
        // The chain is created for a single call, so nothing has been saved before.
        let _ = self.results.set(results);
        (y, shape)
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let results = self.results.get().context("internal: the operators have not run")?;
        let (mut dx, mut weights, mut biases) = (None::<Vec<f32>>, Vec::new(), Vec::new());
        let parts = self.with_parameters(args.weight, args.bias.unwrap_or_default());
        for (i, (part, weight, bias)) in parts.into_iter().enumerate().rev() {
            let gradients = part.operator.backward(BackwardArgs {
                x: i.checked_sub(1).map_or(args.x, |before| &results[before]),
                weight,
                bias,
                y: results.get(i).map_or(args.y, |y| y),
                dy: dx.as_deref().unwrap_or(args.dy),
                want_dx: i > 0 || args.want_dx,
                want_dw: args.want_dw && part.has_trained_weights,
            })?;
            dx = gradients.x;
            // Frozen weights have a gradient of zeros in the tensor of all weights.
            if args.want_dw {
                weights.push(gradients.weight.unwrap_or_else(|| vec![0.; weight.len()]));
            }
            if bias.is_some() {
                biases.push(gradients.bias);
            }
        }
        let [weight, bias] = [weights, biases].map(|parts| parts.into_iter().rev().flatten().collect());
        Ok(Gradients { x: dx, weight: args.want_dw.then_some(weight), bias })
    }
}
