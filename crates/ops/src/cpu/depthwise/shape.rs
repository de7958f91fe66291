use crate::{cpu::planes::PlaneConv, window::Window};

/// The sizes of a depthwise convolution.
#[derive(Debug, Clone, Copy)]
pub struct DepthwiseShape {
    pub batch: usize,
    pub channels: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub window: Window,
}

impl DepthwiseShape {
    /// Returns the number of floating-point operations of the forward pass of one image.
    pub fn flops(&self) -> usize {
        // An estimate, so it may saturate.
        self.taps().saturating_mul(2).saturating_mul(self.output_len())
    }

    /// Returns the number of values of one input image.
    pub fn input_len(&self) -> usize {
        self.channels * self.input_plane()
    }

    /// Returns the number of values of one input plane.
    pub fn input_plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Returns the number of values of one output image.
    pub fn output_len(&self) -> usize {
        self.channels * self.output[0] * self.output[1]
    }

    /// Returns the number of weights of a channel.
    pub fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Prepares the forward pass for weights (C, 1, kh, kw), with ReLU if `relu`.
    pub fn plane_conv(&self, weight: &[f32], relu: bool) -> PlaneConv {
        PlaneConv::new(&self.window, self.input, self.output, [self.channels, 1, 1], weight, relu)
    }
}
