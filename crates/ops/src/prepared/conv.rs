use candle_core::{Result, Tensor};

use super::{memory::values, operator::Prepared};
use crate::{
    Epilogue, Window,
    conv_dense::conv_shape,
    cpu::{conv, depthwise, parallel, planes},
    depthwise::depthwise_shape,
};

/// [`conv2d`](crate::conv2d) with fixed weights, and its epilogue.
pub struct Conv2d {
    shape: conv::ConvShape,
    conv: conv::PreparedConv,
    bias: Option<Vec<f32>>,
}

impl Conv2d {
    /// Prepares the convolution for inputs (C_in, H, W).
    ///
    /// # Shapes
    /// `weight` (C_out, C_in, kh, kw) with the kernel of `window`, `bias` (C_out).
    ///
    /// # Errors
    /// The same as for [`conv2d`](crate::conv2d); fails also if the weights are not f32 on the CPU.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        window: &Window,
        epilogue: Epilogue,
        [channels, height, width]: [usize; 3],
    ) -> Result<Self> {
        let shape = conv_shape((1, channels, height, width), weight, bias, window, epilogue)?;
        let conv = conv::PreparedConv::for_inference(&shape, &values(weight)?);
        Ok(Self { shape, conv, bias: bias.map(values).transpose()? })
    }
}

impl Prepared for Conv2d {
    fn sizes(&self) -> [usize; 2] {
        [self.shape.input_len(), self.shape.result_len()]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        self.conv.forward(x, self.bias.as_deref(), y);
        Ok(())
    }
}

/// [`depthwise_conv2d`](crate::depthwise_conv2d) or [`depthwise_conv2d_relu`](crate::depthwise_conv2d_relu) with fixed
/// weights.
pub struct DepthwiseConv2d {
    shape: depthwise::DepthwiseShape,
    conv: planes::PlaneConv,
    bias: Option<Vec<f32>>,
}

impl DepthwiseConv2d {
    /// Prepares the convolution for inputs (C, H, W), followed by a ReLU if `relu`.
    ///
    /// # Shapes
    /// `weight` (C, 1, kh, kw) with the kernel of `window`, `bias` (C).
    ///
    /// # Errors
    /// The same as for [`depthwise_conv2d`](crate::depthwise_conv2d); fails also if the weights are not f32 on the CPU.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        window: &Window,
        relu: bool,
        [channels, height, width]: [usize; 3],
    ) -> Result<Self> {
        let shape = depthwise_shape((1, channels, height, width), weight, bias, window)?;
        let conv = shape.plane_conv(&values(weight)?, relu);
        Ok(Self { shape, conv, bias: bias.map(values).transpose()? })
    }
}

impl Prepared for DepthwiseConv2d {
    fn sizes(&self) -> [usize; 2] {
        [self.shape.input_len(), self.shape.output_len()]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let work = self.batch(x, y)?.saturating_mul(self.shape.flops());
        let [image, results] = self.sizes();
        parallel::chunks(y, results, work, |n, y| {
            self.conv.forward_image(&x[n * image..][..image], self.bias.as_deref(), y);
        });
        Ok(())
    }
}
