use candle_core::{Result, Shape};

use crate::weighted::{BackwardArgs, Weighted};

/// An operator with an input and any number of parameters, on plain slices: a block of a network.
pub(crate) trait Parameterised: Send + Sync {
    /// Computes the result and its shape.
    fn forward(&self, x: &[f32], parameters: &[&[f32]]) -> (Vec<f32>, Shape);

    /// Computes the gradients of the input and of the parameters.
    fn backward(&self, args: ParameterisedArgs) -> Result<ParameterisedGradients>;
}

/// The arguments of a backward pass: those of the forward pass, its result and the gradient of the result.
#[derive(Clone, Copy)]
pub(crate) struct ParameterisedArgs<'a> {
    pub x: &'a [f32],
    pub parameters: &'a [&'a [f32]],
    pub y: &'a [f32],
    pub dy: &'a [f32],
    /// True if the input needs a gradient.
    pub want_dx: bool,
}

/// The gradients that a backward pass computes.
pub(crate) struct ParameterisedGradients {
    /// The gradient of the input; `None` if the input needs no gradient.
    pub x: Option<Vec<f32>>,
    /// The gradient of each parameter; `None` if it needs none.
    pub parameters: Vec<Option<Vec<f32>>>,
}

/// A [`Weighted`] operator whose parameters are its weights and, if it has one, its bias.
pub(crate) struct WithBias<T> {
    pub operator: T,
    /// True if the weights need a gradient.
    pub trains_weight: bool,
}

impl<T: Weighted> Parameterised for WithBias<T> {
    fn forward(&self, x: &[f32], parameters: &[&[f32]]) -> (Vec<f32>, Shape) {
        self.operator.forward(x, parameters[0], parameters.get(1).copied())
    }

    fn backward(&self, args: ParameterisedArgs) -> Result<ParameterisedGradients> {
        let ParameterisedArgs { x, parameters, y, dy, want_dx } = args;
        let (weight, want_dw) = (parameters[0], self.trains_weight);
        let gradients = self.operator.backward(BackwardArgs { x, weight, y, dy, want_dx, want_dw })?;
        let of_all = [gradients.weight, Some(gradients.bias)].into_iter().take(parameters.len()).collect();
        Ok(ParameterisedGradients { x: gradients.x, parameters: of_all })
    }
}
