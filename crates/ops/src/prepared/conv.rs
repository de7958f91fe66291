use candle_core::{Result, Tensor};

use super::{memory::values, operator::Prepared};
use crate::{
    Epilogue, Window,
    conv_dense::conv_shape,
    cpu::{conv, conv_input::ConvInput, depthwise, map_order::MapOrder, parallel, simd::BLOCK_WIDTH},
    depthwise::depthwise_shape,
};

/// The number of floating-point operations from which it pays to divide a single input between threads even if these have to
/// be woken.
pub(super) const MIN_DIVIDED_FLOPS: usize = 1 << 23;

/// The number of floating-point operations from which it pays to divide the channels of a convolution, whose result is in
/// planes anyway, between threads that are awake. Both halves take the whole input.
const MIN_HALVED_FLOPS: usize = 1 << 18;

/// [`conv2d`](crate::conv2d) with fixed weights, and its epilogue.
pub struct Conv2d {
    shape: conv::ConvShape,
    conv: conv::PreparedConv,
    bias: Option<Vec<f32>>,
    /// The same for the first and the other half of the output channels, and the number of channels of the first: for a single
    /// input, if its result is in planes and there is enough work.
    halves: Option<([conv::PreparedConv; 2], usize)>,
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
        let weight = values(weight)?;
        let conv = conv::PreparedConv::for_inference(&shape, &weight);
        // In whole pairs of blocks of channels. On AVX-512 kernels take two blocks at a time and sum a single one in another
        // order, so other halves would not have the bits of the whole.
        let first = shape.out_channels.div_ceil(2).next_multiple_of(2 * BLOCK_WIDTH);
        let divides = shape.flops() >= MIN_HALVED_FLOPS && first + BLOCK_WIDTH <= shape.out_channels;
        let halves = divides.then(|| {
            let (a, b) = weight.split_at(first * shape.patch_len());
            let half = |weight, out_channels| {
                conv::PreparedConv::for_inference(&conv::ConvShape { out_channels, ..shape }, weight)
            };
            ([half(a, first), half(b, shape.out_channels - first)], first)
        });
        Ok(Self { shape, conv, bias: bias.map(values).transpose()?, halves })
    }
}

impl Prepared for Conv2d {
    fn sizes(&self) -> [usize; 2] {
        [self.shape.input_len(), self.shape.result_len()]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let batch = self.batch(x, y)?;
        let pays = self.shape.flops() >= MIN_DIVIDED_FLOPS || parallel::are_threads_awake();
        let divides = batch == 1 && parallel::has_other_threads() && pays;
        let Some((halves, first)) = self.halves.as_ref().filter(|_| divides) else {
            self.conv.forward(x, self.bias.as_deref(), y);
            return Ok(());
        };
        let plane = self.shape.result().iter().product::<usize>();
        parallel::chunks(y, first * plane, self.shape.flops(), |i, y| {
            let bias = self.bias.as_ref().map(|bias| &bias[i * first..][..y.len() / plane]);
            halves[i].forward(x, bias, y);
        });
        Ok(())
    }

    fn flops(&self) -> usize {
        self.shape.flops()
    }

    fn divides_input(&self) -> bool {
        self.halves.is_some() || self.conv.divides_rows()
    }

    /// Where much work can only be divided by channels, the result stays in planes, which are halved.
    fn can_be_channels_last(&self) -> [bool; 2] {
        let can = self.conv.has_orders();
        let halved = self.halves.is_some() && self.shape.flops() >= MIN_DIVIDED_FLOPS;
        [can, can && (!halved || self.conv.has_bands())]
    }

    fn set_channels_last(&mut self, sides: [bool; 2]) {
        if !self.conv.has_orders() {
            return;
        }
        let orders = sides.map(MapOrder::of);
        if sides[1] {
            self.halves = None;
        }
        let halves = self.halves.iter_mut().flat_map(|(halves, _)| halves);
        halves.chain([&mut self.conv]).for_each(|conv| conv.set_orders(orders));
    }
}

/// [`depthwise_conv2d`](crate::depthwise_conv2d) or [`depthwise_conv2d_relu`](crate::depthwise_conv2d_relu) with fixed
/// weights.
pub struct DepthwiseConv2d {
    shape: depthwise::DepthwiseShape,
    conv: depthwise::DepthwiseForward,
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
        let conv = depthwise::DepthwiseForward::new(&shape, &values(weight)?, relu);
        Ok(Self { shape, conv, bias: bias.map(values).transpose()? })
    }
}

impl Prepared for DepthwiseConv2d {
    fn sizes(&self) -> [usize; 2] {
        [self.shape.input_len(), self.shape.output_len()]
    }

    fn flops(&self) -> usize {
        self.shape.flops()
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let work = self.batch(x, y)?.saturating_mul(self.shape.flops());
        let [image, results] = self.sizes();
        parallel::chunks(y, results, work, |n, y| {
            self.conv.forward_image(ConvInput::Stored(&x[n * image..][..image]), self.bias.as_deref(), y);
        });
        Ok(())
    }
}
