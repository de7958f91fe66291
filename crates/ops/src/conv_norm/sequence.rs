use std::sync::Arc;

use candle_core::{Result, Shape, Tensor};

use super::{
    convolution::ConvBackwardArgs,
    layer::{ConvBatchNorm, Nchw},
    step::Step,
};
use crate::{
    cpu::{Gradients, conv_input::ConvInput, finish::Finish, map_order::MapOrder},
    weighted::{BackwardArgs, Weighted},
};

/// Convolutions with batch normalisation, one after the other, as one operator for a single call.
pub struct Sequence {
    pub steps: Arc<Vec<Step>>,
    /// The numbers of weights and of parameters of each step.
    lens: Vec<[usize; 2]>,
    /// The sizes of the result of the last step.
    pub result: Nchw,
}

impl Sequence {
    /// Creates the operator for an input of the given sizes, or fails if the layers do not fit it.
    pub fn new(input: Nchw, layers: &[ConvBatchNorm]) -> Result<Self> {
        let (mut result, mut steps, mut lens) = (input, Vec::<Step>::new(), Vec::new());
        for layer in layers {
            let (mut step, next) = layer.step(result)?;
            result = next;
            if let Some(previous) = steps.last_mut()
                && previous.convolution.takes_pixels()
                && step.convolution.takes_pixels()
            {
                *previous.convolution.orders()[1] = MapOrder::Pixels;
                *step.convolution.orders()[0] = MapOrder::Pixels;
            }
            steps.push(step);
            lens.push([layer.weight.elem_count(), layer.parameters().map(Tensor::elem_count).sum()]);
        }
        Ok(Self { steps: Arc::new(steps), lens, result })
    }

    /// Returns whether the input and the result may be channels last.
    pub fn takes_pixels(&self) -> [bool; 2] {
        [self.steps.first(), self.steps.last()].map(|step| step.is_some_and(|step| step.convolution.takes_pixels()))
    }

    /// Sets the orders of the input and of the result, which are planes unless they are set.
    pub fn set_orders(&mut self, [input, result]: [MapOrder; 2]) {
        let steps = Arc::get_mut(&mut self.steps).expect("orders are set before the steps are shared");
        if let Some(first) = steps.first_mut() {
            *first.convolution.orders()[0] = input;
        }
        if let Some(last) = steps.last_mut() {
            *last.convolution.orders()[1] = result;
        }
    }

    /// Returns the total numbers of weights and of parameters.
    pub fn lens(&self) -> [usize; 2] {
        [0, 1].map(|i| self.lens.iter().map(|lens| lens[i]).sum())
    }

    /// Splits concatenated weights and parameters into those of each step.
    fn split<'a>(&self, mut all: [&'a [f32]; 2]) -> Vec<[&'a [f32]; 2]> {
        let parts = self.lens.iter().map(|lens| {
            let parts = [0, 1].map(|i| all[i].split_at(lens[i]));
            all = parts.map(|(_, rest)| rest);
            parts.map(|(part, _)| part)
        });
        parts.collect()
    }
}

/// The bias of the operator holds the parameters of all steps.
impl Weighted for Sequence {
    fn name(&self) -> &'static str {
        "conv-batch-norm"
    }

    fn forward(&self, x: &[f32], weight: &[f32], parameters: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let parameters = parameters.expect("gamma and beta are always given");
        (self.forward_with_shortcut(x, weight, parameters, None), Shape::from(self.result))
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        self.backward_from_sums(args, None, Finish::NOTHING)
    }
}

impl Sequence {
    /// Computes the result, or ReLU of the sum of the result and a shortcut.
    pub fn forward_with_shortcut(
        &self,
        x: &[f32],
        weight: &[f32],
        parameters: &[f32],
        shortcut: Option<&[f32]>,
    ) -> Vec<f32> {
        let (mut x, mut y) = (ConvInput::Stored(x), None);
        for (i, (step, [weight, parameters])) in self.steps.iter().zip(self.split([weight, parameters])).enumerate() {
            let is_last = i + 1 == self.steps.len();
            y = step.forward(x, weight, parameters, is_last, shortcut.filter(|_| is_last));
            x = step.output().expect("the step has just run");
        }
        y.expect("there is at least one step")
    }

    /// Computes the gradients, and finishes each image of dx. `sums` is what [`Step::with_gradient_sums`] of the last step
    /// computes of `args.dy`, if that has been done already.
    pub fn backward_from_sums(
        &self,
        args: BackwardArgs,
        mut sums: Option<Vec<f32>>,
        finish_dx: Finish,
    ) -> Result<Gradients> {
        let parts = self.split([args.weight, args.bias.unwrap_or_default()]);
        let (mut dx, mut weights, mut biases) = (None, Vec::new(), Vec::new());
        for (i, (step, [weight, parameters])) in self.steps.iter().zip(parts).enumerate().rev() {
            let dy = dx.as_deref().unwrap_or(args.dy);
            let (x, want_dx, want_dw) = (ConvInput::Stored(args.x), args.want_dx, step.trains_weight);
            let first = ConvBackwardArgs { x, weight, dy, want_dx, want_dw, finish_dx };
            let (gradients, dx_sums) = match i.checked_sub(1).map(|i| &self.steps[i]) {
                Some(previous) => {
                    let x = previous.output()?;
                    previous.with_gradient_sums(|finish_dx| {
                        step.backward(&ConvBackwardArgs { x, want_dx: true, finish_dx, ..first }, parameters, sums)
                    })?
                }
                None => step.backward(&first, parameters, sums),
            }?;
            (dx, sums) = (gradients.x, Some(dx_sums));
            // The weights of all steps are one tensor for candle, so frozen ones have a gradient of zeros there.
            if args.want_dw {
                weights.push(gradients.weight.unwrap_or_else(|| vec![0.; weight.len()]));
            }
            biases.push(gradients.bias);
        }
        let [weight, bias] = [weights, biases].map(|parts| parts.into_iter().rev().flatten().collect());
        Ok(Gradients { x: dx, weight: args.want_dw.then_some(weight), bias })
    }
}
