use super::{Prepared, values};
use crate::conv::check;
use crate::cpu::{conv, depthwise, parallel, planes};
use crate::{Epilogue, Window};
use candle_core::{Result, Tensor};

/// [`crate::conv2d`] with what follows it.
pub struct Conv2d {
    shape: conv::ConvShape,
    conv: conv::PreparedConv,
    bias: Option<Vec<f32>>,
}

impl Conv2d {
    /// `weight` is (C_out, C_in, kh, kw) with the kernel of `window`, `bias` (C_out), `input` (C_in, H, W).
    ///
    /// # Errors
    /// Those of [`crate::conv2d`], and weights that are not f32 on the CPU.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        window: &Window,
        epilogue: Epilogue,
        [channels, height, width]: [usize; 3],
    ) -> Result<Self> {
        let shape = check((1, channels, height, width), weight, bias, window, epilogue)?;
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

/// [`crate::depthwise_conv2d`], with ReLU on top if asked for.
pub struct DepthwiseConv2d {
    shape: depthwise::DepthwiseShape,
    conv: planes::PlaneConv,
    bias: Option<Vec<f32>>,
}

impl DepthwiseConv2d {
    /// `weight` is (C, 1, kh, kw) with the kernel of `window`, `bias` (C), `input` (C, H, W).
    ///
    /// # Errors
    /// Those of [`crate::depthwise_conv2d`], and weights that are not f32 on the CPU.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        window: &Window,
        relu: bool,
        [channels, height, width]: [usize; 3],
    ) -> Result<Self> {
        let shape = crate::depthwise::check((1, channels, height, width), weight, bias, window)?;
        let conv = shape.plane_conv(&values(weight)?, relu);
        Ok(Self { shape, conv, bias: bias.map(values).transpose()? })
    }
}

impl Prepared for DepthwiseConv2d {
    fn sizes(&self) -> [usize; 2] {
        [self.shape.input_len(), self.shape.output_len()]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let work = self.batch(x, y)? * self.shape.flops();
        let [image, results] = self.sizes();
        parallel::chunks(y, results, work, |n, y| {
            self.conv.forward_image(&x[n * image..][..image], self.bias.as_deref(), y);
        });
        Ok(())
    }
}
