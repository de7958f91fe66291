use crate::cpu::{
    Gradients,
    conv::{self, Saved},
    conv_norm::{Dims, Norm},
    depthwise,
    source::Source,
    tally::Tally,
};

/// The arguments of the backward pass of a convolution.
pub struct ConvBackwardArgs<'a> {
    pub x: Source<'a>,
    pub weight: &'a [f32],
    /// The gradient of what normalisation and epilogue have made of the result.
    pub dy: &'a [f32],
    /// Whether the input needs a gradient.
    pub want_dx: bool,
    /// Sums to take of dx while it is written.
    pub tally: Tally<'a>,
}

/// A convolution without a bias whose result is normalised.
pub trait Convolution: Send + Sync {
    /// Returns the sizes of the result.
    fn dims(&self) -> Dims;

    /// Computes the result and the tally of it.
    fn forward(&self, x: Source, weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>);

    /// Computes the gradients and the tally of dx.
    fn backward(&self, args: &ConvBackwardArgs, norm: &Norm, epilogue: Saved) -> (Gradients, Vec<f32>);
}

impl Convolution for conv::Shape {
    fn dims(&self) -> Dims {
        [self.batch, self.out_channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: Source, weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>) {
        conv::forward_tallied(self, x, weight, tally)
    }

    fn backward(&self, args: &ConvBackwardArgs, norm: &Norm, epilogue: Saved) -> (Gradients, Vec<f32>) {
        let &ConvBackwardArgs { x, weight, dy, want_dx, tally } = args;
        conv::backward(self, x, weight, epilogue, Some(norm), dy, want_dx, tally)
    }
}

impl Convolution for depthwise::Shape {
    fn dims(&self) -> Dims {
        [self.batch, self.channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: Source, weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>) {
        depthwise::forward_tallied(self, x, weight, tally)
    }

    fn backward(&self, args: &ConvBackwardArgs, norm: &Norm, epilogue: Saved) -> (Gradients, Vec<f32>) {
        let &ConvBackwardArgs { x, weight, dy, want_dx, tally } = args;
        depthwise::backward(self, x, weight, Some((norm, epilogue)), dy, want_dx, tally)
    }
}
