use std::sync::Arc;

use candle_core::{Result, Shape};

use super::{
    convolution::ConvBackwardArgs,
    layer::{ConvBatchNorm, Nchw},
    step::Step,
};
use crate::{
    cpu::{conv_input::ConvInput, finish::Finish, map_order::MapOrder},
    parameterised::{Parameterised, ParameterisedArgs, ParameterisedGradients},
};

/// Convolutions with batch normalisation, one after the other, as one operator for a single call.
pub struct Sequence {
    pub steps: Arc<Vec<Step>>,
    /// The sizes of the result of the last step.
    pub result: Nchw,
}

impl Sequence {
    /// Creates the operator for an input of the given sizes, or fails if the layers do not fit it.
    pub fn new(input: Nchw, layers: &[ConvBatchNorm]) -> Result<Self> {
        let (mut result, mut steps) = (input, Vec::<Step>::new());
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
        }
        Ok(Self { steps: Arc::new(steps), result })
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

    /// Returns the number of parameters of all steps.
    pub fn parameter_count(&self) -> usize {
        self.steps.iter().map(Step::parameter_count).sum()
    }

    /// Returns each step with its parameters.
    fn with_parameters<'a>(&'a self, mut all: &'a [&'a [f32]]) -> Vec<(&'a Step, &'a [&'a [f32]])> {
        let parts = self.steps.iter().map(|step| {
            let parameters;
            (parameters, all) = all.split_at(step.parameter_count());
            (step, parameters)
        });
        parts.collect()
    }
}

impl Parameterised for Sequence {
    fn forward(&self, x: &[f32], parameters: &[&[f32]]) -> (Vec<f32>, Shape) {
        (self.forward_with_shortcut(x, parameters, None), Shape::from(self.result))
    }

    fn backward(&self, args: ParameterisedArgs) -> Result<ParameterisedGradients> {
        self.backward_from_sums(args, None, Finish::NOTHING)
    }
}

impl Sequence {
    /// Computes the result, or ReLU of the sum of the result and a shortcut.
    pub fn forward_with_shortcut(&self, x: &[f32], parameters: &[&[f32]], shortcut: Option<&[f32]>) -> Vec<f32> {
        let (mut x, mut y) = (ConvInput::Stored(x), None);
        for (i, (step, parameters)) in self.with_parameters(parameters).into_iter().enumerate() {
            let is_last = i + 1 == self.steps.len();
            y = step.forward(x, parameters, is_last, shortcut.filter(|_| is_last));
            x = step.output().expect("the step has just run");
        }
        y.expect("there is at least one step")
    }

    /// Computes the gradients, and finishes each image of dx. `sums` is what [`Step::with_gradient_sums`] of the last step
    /// computes of `args.dy`, if that has been done already.
    pub fn backward_from_sums(
        &self,
        args: ParameterisedArgs,
        mut sums: Option<Vec<f32>>,
        finish_dx: Finish,
    ) -> Result<ParameterisedGradients> {
        let (mut dx, mut of_steps) = (None, Vec::new());
        for (i, (step, parameters)) in self.with_parameters(args.parameters).into_iter().enumerate().rev() {
            let [weight, gamma, ..] = *parameters else { unreachable!("a step has its parameters") };
            let dy = dx.as_deref().unwrap_or(args.dy);
            let (x, want_dx, want_dw) = (ConvInput::Stored(args.x), args.want_dx, step.trains_weight);
            let first = ConvBackwardArgs { x, weight, dy, want_dx, want_dw, finish_dx };
            let (gradients, dx_sums) = match i.checked_sub(1).map(|i| &self.steps[i]) {
                Some(previous) => {
                    let x = previous.output()?;
                    previous.with_gradient_sums(|finish_dx| {
                        step.backward(&ConvBackwardArgs { x, want_dx: true, finish_dx, ..first }, gamma, sums)
                    })?
                }
                None => step.backward(&first, gamma, sums),
            }?;
            (dx, sums) = (gradients.x, Some(dx_sums));
            of_steps.push(gradients.parameters);
        }
        Ok(ParameterisedGradients { x: dx, parameters: of_steps.into_iter().rev().flatten().collect() })
    }
}
