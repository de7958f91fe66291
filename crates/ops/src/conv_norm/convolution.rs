use crate::cpu::{
    Gradients,
    backward_pass::BackwardPass,
    conv::{self, ConvShape},
    conv_input::ConvInput,
    conv_norm::SavedNorm,
    depthwise::{self, DepthwiseShape},
    epilogue::SavedEpilogue,
    finish::Finish,
    map_order::MapOrder,
};

/// The arguments of the backward pass of a convolution.
pub struct ConvBackwardArgs<'a> {
    pub x: ConvInput<'a>,
    pub weight: &'a [f32],
    /// The gradient of what normalisation and epilogue have made of the result.
    pub dy: &'a [f32],
    /// True if the input needs a gradient.
    pub want_dx: bool,
    /// True if the weights need a gradient.
    pub want_dw: bool,
    /// The work on each image of dx right after it is written.
    pub finish_dx: Finish<'a>,
}

impl<'a> ConvBackwardArgs<'a> {
    /// Returns the arguments for the kernels.
    fn pass(&self, norm: &'a SavedNorm<'a>) -> BackwardPass<'a> {
        let &Self { x, weight, dy, want_dx, want_dw, finish_dx } = self;
        BackwardPass { x, weight, dy, saved: SavedEpilogue::Nothing, norm: Some(norm), want_dx, want_dw, finish_dx }
    }
}

/// A convolution without a bias whose result is normalised.
pub trait Convolution: Send + Sync {
    /// Returns the sizes of the result.
    fn dims(&self) -> [usize; 4];

    /// Returns whether input and result may be channels last.
    fn takes_pixels(&self) -> bool;

    /// Returns the order of the result.
    fn result_order(&self) -> MapOrder;

    /// Returns the orders of the input and of the result, to be set.
    fn orders(&mut self) -> [&mut MapOrder; 2];

    /// Computes the result, finishes each image of it, and returns it with the sums over the images.
    fn forward(&self, x: ConvInput, weight: &[f32], finish: Finish) -> (Vec<f32>, Vec<f32>);

    /// Computes the gradients, and the sums over the images of dx.
    fn backward(&self, args: &ConvBackwardArgs, norm: &SavedNorm) -> (Gradients, Vec<f32>);
}

impl Convolution for ConvShape {
    fn dims(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.output[0], self.output[1]]
    }

    fn takes_pixels(&self) -> bool {
        conv::takes_pixels(self)
    }

    fn result_order(&self) -> MapOrder {
        self.result_order
    }

    fn orders(&mut self) -> [&mut MapOrder; 2] {
        [&mut self.input_order, &mut self.result_order]
    }

    fn forward(&self, x: ConvInput, weight: &[f32], finish: Finish) -> (Vec<f32>, Vec<f32>) {
        conv::forward_with_sums(self, x, weight, finish)
    }

    fn backward(&self, args: &ConvBackwardArgs, norm: &SavedNorm) -> (Gradients, Vec<f32>) {
        conv::backward(self, &args.pass(norm))
    }
}

impl Convolution for DepthwiseShape {
    fn dims(&self) -> [usize; 4] {
        [self.batch, self.channels, self.output[0], self.output[1]]
    }

    fn takes_pixels(&self) -> bool {
        true
    }

    fn result_order(&self) -> MapOrder {
        self.result_order
    }

    fn orders(&mut self) -> [&mut MapOrder; 2] {
        [&mut self.input_order, &mut self.result_order]
    }

    fn forward(&self, x: ConvInput, weight: &[f32], finish: Finish) -> (Vec<f32>, Vec<f32>) {
        depthwise::forward_with_sums(self, x, weight, finish)
    }

    fn backward(&self, args: &ConvBackwardArgs, norm: &SavedNorm) -> (Gradients, Vec<f32>) {
        depthwise::backward(self, &args.pass(norm))
    }
}
