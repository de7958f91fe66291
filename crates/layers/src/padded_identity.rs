use candle_core::{Result, Tensor, bail};
use ops::{Window, prepared::Prepared};

use crate::{
    description::Description,
    graph::{Graph, Value, int},
    layer::{Layer, Mode},
    prepared::image_shape,
};

/// The shortcut without parameters of the CIFAR ResNets (He et al. 2015, option A).
///
/// It selects every `stride`-th pixel along both axes, and adds channels of zeros, half of them before the channels of the
/// input.
///
/// # Shapes
/// (N, C, H, W) → (N, channels, (H − 1) / stride + 1, likewise for W).
#[derive(Debug, Clone, Copy)]
pub struct PaddedIdentity {
    /// The distance between the pixels that are selected.
    pub stride: usize,
    /// The number of channels of the output, not less than that of the input.
    pub channels: usize,
}

impl PaddedIdentity {
    /// Returns a window of one pixel: max pooling with it selects every `stride`-th pixel.
    fn window(&self) -> Window {
        Window::pool(1).stride(self.stride)
    }

    fn missing_channels(&self, channels: usize) -> Result<usize> {
        let Some(missing) = self.channels.checked_sub(channels) else {
            let Self { stride, channels: outputs } = self;
            bail!(
                "PaddedIdentity(stride {stride}) cannot reduce {channels} channels to {outputs}; it only adds channels"
            )
        };
        Ok(missing)
    }
}

impl Layer for PaddedIdentity {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        let missing = self.missing_channels(xs.dim(1)?)?;
        let selected = ops::max_pool2d(xs, &self.window())?;
        let (n, _, height, width) = selected.dims4()?;
        ops::check_memory("the output of PaddedIdentity", &[n, self.channels, height, width])?;
        selected.pad_with_zeros(1, missing / 2, missing - missing / 2)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let kind = format!("PaddedIdentity(stride {})", self.stride);
        let &[channels, height, width] = input else {
            bail!("{kind} does not take an input of {input:?}; it needs (C, H, W)")
        };
        self.missing_channels(channels)?;
        if channels == 0 {
            bail!("{kind} does not take an input of {input:?}; it needs at least one channel")
        }
        let [oh, ow] = self.window().output_size([height, width])?;
        ops::check_memory("the input of PaddedIdentity", input)?;
        ops::check_memory("the output of PaddedIdentity", &[self.channels, oh, ow])?;
        Ok(Description::pointwise(kind, vec![self.channels, oh, ow]))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let output = image_shape(&self.describe(input)?.output)?;
        let (stride, input) = (self.stride, image_shape(input)?);
        Ok(Box::new(PreparedPaddedIdentity { stride, input, output, channels_last: [false; 2] }))
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let missing = self.missing_channels(image_shape(input)?[0])?;
        let (start, end, axes) = (graph.ints(&[0, 0])?, graph.ints(&[i64::MAX; 2])?, graph.ints(&[2, 3])?);
        let strides = graph.ints(&[int(self.stride); 2])?;
        let selected = graph.node("Slice", &[xs, &start, &end, &axes, &strides], &[]);
        // The zeros before each of the four axes, then those behind.
        let [before, behind] = [missing / 2, missing - missing / 2].map(int);
        let padding = graph.ints(&[0, before, 0, 0, 0, behind, 0, 0])?;
        Ok(graph.node("Pad", &[&selected, &padding], &[]))
    }
}

struct PreparedPaddedIdentity {
    stride: usize,
    /// (C, H, W), as is `output`.
    input: [usize; 3],
    output: [usize; 3],
    /// True for the input and for the output if its values are in the order (H, W, C).
    channels_last: [bool; 2],
}

/// Returns the distances in memory of two channels and of two pixels of a feature map.
fn distances([channels, height, width]: [usize; 3], channels_last: bool) -> [usize; 2] {
    if channels_last { [1, channels] } else { [height * width, 1] }
}

impl Prepared for PreparedPaddedIdentity {
    fn sizes(&self) -> [usize; 2] {
        [self.input, self.output].map(|shape| shape.iter().product())
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        let Self { stride, input: [channels, _, width], output: [outputs, oh, ow], channels_last } = *self;
        let before = (outputs - channels) / 2;
        let [from, to] = [distances(self.input, channels_last[0]), distances(self.output, channels_last[1])];
        y.fill(0.);
        let [input_len, output_len] = self.sizes();
        for (y, x) in y.chunks_exact_mut(output_len).zip(x.chunks_exact(input_len)) {
            for position in 0..oh * ow {
                let pixel = position / ow * stride * width + position % ow * stride;
                for channel in 0..channels {
                    y[(before + channel) * to[0] + position * to[1]] = x[channel * from[0] + pixel * from[1]];
                }
            }
        }
        Ok(())
    }

    fn can_be_channels_last(&self) -> [bool; 2] {
        [true; 2]
    }

    fn set_channels_last(&mut self, sides: [bool; 2]) {
        self.channels_last = sides;
    }
}
