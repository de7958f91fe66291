use crate::cpu::{
    Gradients,
    backward_pass::BackwardPass,
    conv::{self, ConvShape},
    conv_input::ConvInput,
    conv_norm::SavedNorm,
    depthwise::{self, DepthwiseShape},
    epilogue::SavedEpilogue,
    image_sums::ImageSums,
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
    /// Sums to compute over each image of dx.
    pub dx_sums: ImageSums<'a>,
}

/// A convolution without a bias whose result is normalised.
pub trait Convolution: Send + Sync {
    /// Returns the sizes of the result.
    fn dims(&self) -> [usize; 4];

    /// Computes the result, and the sums over each image of it.
    fn forward(&self, x: ConvInput, weight: &[f32], sums: ImageSums) -> (Vec<f32>, Vec<f32>);

    /// Computes the gradients, and the sums over each image of dx.
    fn backward(&self, args: &ConvBackwardArgs, norm: &SavedNorm, epilogue: SavedEpilogue) -> (Gradients, Vec<f32>);
}

impl Convolution for ConvShape {
    fn dims(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: ConvInput, weight: &[f32], sums: ImageSums) -> (Vec<f32>, Vec<f32>) {
        conv::forward_with_sums(self, x, weight, sums)
    }

    fn backward(&self, args: &ConvBackwardArgs, norm: &SavedNorm, epilogue: SavedEpilogue) -> (Gradients, Vec<f32>) {
        let &ConvBackwardArgs { x, weight, dy, want_dx, want_dw, dx_sums } = args;
        let norm = Some(norm);
        conv::backward(self, &BackwardPass { x, weight, dy, saved: epilogue, norm, want_dx, want_dw, dx_sums })
    }
}

impl Convolution for DepthwiseShape {
    fn dims(&self) -> [usize; 4] {
        [self.batch, self.channels, self.output[0], self.output[1]]
    }

    fn forward(&self, x: ConvInput, weight: &[f32], sums: ImageSums) -> (Vec<f32>, Vec<f32>) {
        depthwise::forward_with_sums(self, x, weight, sums)
    }

    fn backward(&self, args: &ConvBackwardArgs, norm: &SavedNorm, epilogue: SavedEpilogue) -> (Gradients, Vec<f32>) {
        let &ConvBackwardArgs { x, weight, dy, want_dx, want_dw, dx_sums } = args;
        let norm = Some(norm);
        depthwise::backward(self, &BackwardPass { x, weight, dy, saved: epilogue, norm, want_dx, want_dw, dx_sums })
    }
}
