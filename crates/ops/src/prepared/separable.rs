use candle_core::{Result, Tensor, bail};

use super::{conv::MIN_DIVIDED_FLOPS, memory::values, operator::Prepared};
use crate::{
    Epilogue, Window,
    conv_dense::conv_shape,
    cpu::{
        separable::{self, Network},
        simd::BLOCK_WIDTH,
    },
    depthwise::depthwise_shape,
    sizes::check_memory,
};

/// A convolution of [`SeparableConvs`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConvLayer {
    /// The weights, (C_out, C_in, kh, kw), or (C, 1, kh, kw) if the convolution is depthwise.
    pub weight: Tensor,
    /// The bias, (C_out).
    pub bias: Option<Tensor>,
    /// The kernel size, stride and padding.
    pub window: Window,
    /// True if the convolution is depthwise, with its own kernel for each channel.
    pub depthwise: bool,
    /// True if a ReLU follows.
    pub relu: bool,
}

impl ConvLayer {
    /// Creates a layer with the given weights and bias, followed by a ReLU if `relu`.
    pub fn new(weight: Tensor, bias: Option<Tensor>, window: Window, depthwise: bool, relu: bool) -> Self {
        Self { weight, bias, window, depthwise, relu }
    }

    fn is_pointwise(&self) -> bool {
        !self.depthwise && self.window == Window::conv(1)
    }
}

/// Depthwise separable convolutions with fixed weights, as one operator: any number of pairs of a depthwise and a 1×1
/// convolution (Howard et al. 2017, <https://arxiv.org/abs/1704.04861>), optionally after a dense convolution.
///
/// Between two layers the channels of a position lie side by side, so that no feature map is transposed but the first and
/// the last.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Result, Tensor};
/// use ops::{Window, depthwise_conv2d_relu, conv2d};
/// use ops::prepared::{ConvLayer, Prepared, SeparableConvs};
///
/// # fn main() -> Result<()> {
/// let kernels = Tensor::randn(0f32, 1., (8, 1, 3, 3), &Device::Cpu)?;
/// let matrix = Tensor::randn(0f32, 1., (4, 8, 1, 1), &Device::Cpu)?;
/// let window = Window::conv(3).stride(2).padding(1);
/// let layers = [
///     ConvLayer::new(kernels.clone(), None, window, true, true),
///     ConvLayer::new(matrix.clone(), None, Window::conv(1), false, false),
/// ];
/// assert_eq!(SeparableConvs::count(&layers), 2);
/// let prepared = SeparableConvs::new(&layers, [8, 6, 6])?;
/// assert_eq!(prepared.sizes(), [8 * 6 * 6, 4 * 3 * 3]);
///
/// let images = Tensor::randn(0f32, 1., (2, 8, 6, 6), &Device::Cpu)?;
/// let mut values = [0.; 2 * 4 * 3 * 3];
/// prepared.run(&images.flatten_all()?.to_vec1()?, &mut values)?;
///
/// let expected = depthwise_conv2d_relu(&images, &kernels, None, &window)?;
/// let expected: Vec<f32> = conv2d(&expected, &matrix, None, &Window::conv(1).into())?.flatten_all()?.to_vec1()?;
/// assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4));
/// # Ok(())
/// # }
/// ```
pub struct SeparableConvs {
    network: Network,
    /// The largest number of values that are read and written by one layer.
    working_set: usize,
}

impl SeparableConvs {
    /// Returns the number of layers, from the first one on, that one operator computes: 0 unless they begin with a depthwise
    /// and a 1×1 convolution, or with a dense one and these two.
    pub fn count(layers: &[ConvLayer]) -> usize {
        let dense = usize::from(layers.first().is_some_and(|layer| !layer.depthwise));
        let pairs = layers.get(dense..).unwrap_or_default().chunks_exact(2);
        let pairs = pairs.take_while(|pair| pair[0].depthwise && pair[1].is_pointwise()).count();
        if pairs == 0 { 0 } else { dense + 2 * pairs }
    }

    /// Prepares the layers for inputs (C, H, W).
    ///
    /// # Errors
    /// The same as for [`conv2d`](crate::conv2d) and [`depthwise_conv2d`](crate::depthwise_conv2d); fails also if
    /// [`SeparableConvs::count`] is not the number of layers, or the weights are not f32 on the CPU.
    pub fn new(layers: &[ConvLayer], input: [usize; 3]) -> Result<Self> {
        if layers.is_empty() || Self::count(layers) != layers.len() {
            let kinds: Vec<_> = layers.iter().map(|layer| (layer.depthwise, layer.window.kernel)).collect();
            bail!(
                "separable convolutions: unsupported layers (depthwise, kernel) {kinds:?}; possible: pairs of a \
                 depthwise and a 1x1 convolution, which may follow one dense convolution"
            )
        }
        let (mut shape, mut sizes, mut working_set) = (input, Vec::new(), 0);
        for layer in layers {
            let next = Self::output(layer, shape)?;
            let padded = layer.window.padded_size([shape[1], shape[2]])?;
            // The channels of a position are padded to whole vectors.
            let channels = shape[0].checked_next_multiple_of(BLOCK_WIDTH).unwrap_or(usize::MAX);
            check_memory("separable convolutions: a padded input", &[channels, padded[0], padded[1]])?;
            // A longer stride means the same, a single position, but distances computed from it would wrap.
            let stride = [0, 1].map(|axis| layer.window.stride[axis].min(padded[axis]));
            sizes.push((Window { stride, ..layer.window }, [next[1], next[2]]));
            working_set = working_set.max(channels * padded[0] * padded[1] + next.iter().product::<usize>());
            shape = next;
        }
        let weights = layers.iter().map(|layer| values(&layer.weight)).collect::<Result<Vec<_>>>()?;
        let biases =
            layers.iter().map(|layer| layer.bias.as_ref().map(values).transpose()).collect::<Result<Vec<_>>>()?;
        let mut all =
            layers.iter().zip(&weights).zip(&biases).zip(sizes).map(|(((layer, weight), bias), (window, output))| {
                separable::ConvLayer { weight, bias: bias.as_deref(), window, output, relu: layer.relu }
            });
        let first = if layers[0].depthwise { None } else { all.next() };
        let all: Vec<_> = all.collect();
        let (pairs, _) = all.as_chunks();
        Ok(Self { network: Network::new(input, first, pairs), working_set })
    }

    /// Returns the sizes (C, H, W) of the result of a layer.
    fn output(layer: &ConvLayer, [channels, height, width]: [usize; 3]) -> Result<[usize; 3]> {
        let ConvLayer { weight, bias, window, depthwise, .. } = layer;
        let input = (1, channels, height, width);
        if *depthwise {
            let [height, width] = depthwise_shape(input, weight, bias.as_ref(), window)?.output;
            return Ok([channels, height, width]);
        }
        let s = conv_shape(input, weight, bias.as_ref(), window, Epilogue::None)?;
        Ok([s.out_channels, s.output[0], s.output[1]])
    }
}

impl Prepared for SeparableConvs {
    fn sizes(&self) -> [usize; 2] {
        self.network.sizes()
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        self.network.forward(x, y);
        Ok(())
    }

    /// Returns `true`: the operator takes each image through all of its layers, so there is nothing to gain from splitting
    /// the batch.
    fn prefers_whole_batch(&self) -> bool {
        true
    }

    fn working_set(&self) -> usize {
        self.working_set
    }

    fn flops(&self) -> usize {
        self.network.flops()
    }

    fn divides_input(&self) -> bool {
        self.network.flops() >= MIN_DIVIDED_FLOPS
    }

    fn can_be_channels_last(&self) -> [bool; 2] {
        [false, true]
    }

    fn set_channels_last(&mut self, [_, result]: [bool; 2]) {
        self.network.set_channels_last(result);
    }
}
