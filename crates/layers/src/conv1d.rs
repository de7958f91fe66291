use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use ops::{
    Conv1dConfig, Epilogue, Window,
    prepared::{self, Chain, Prepared},
};

use crate::{
    conv2d::export_convolution,
    description::Description,
    graph::{Graph, Value},
    init::uniform,
    layer::{Layer, Mode},
    receptive_field::ReceptiveField,
};

/// The options of a [`Conv1d`], named after libtorch's `torch::nn::Conv1dOptions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conv1dOptions {
    /// The size of the kernel.
    pub kernel: usize,
    /// The distance between neighbouring windows.
    pub stride: usize,
    /// The number of zeros before and behind the input.
    pub padding: [usize; 2],
    /// True if the layer has a bias.
    pub bias: bool,
}

impl Conv1dOptions {
    /// Creates the options of a kernel of this size with stride 1, without padding and with bias.
    pub fn new(kernel: usize) -> Self {
        Self { kernel, stride: 1, padding: [0; 2], bias: true }
    }

    /// Creates the options of a kernel padded so that with stride 1 the output is as long as the input, as PyTorch's
    /// `padding='same'`. If the number of zeros, kernel − 1, is odd, there is one more behind the input than before it.
    ///
    /// ```
    /// assert_eq!(layers::Conv1dOptions::same(10).padding, [4, 5]);
    /// ```
    pub fn same(kernel: usize) -> Self {
        let zeros = kernel.saturating_sub(1);
        Self { padding: [zeros / 2, zeros - zeros / 2], ..Self::new(kernel) }
    }

    /// Sets the stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Sets the number of zeros at both ends.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// Removes the bias, for example because batch normalisation follows, whose shift replaces it.
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// Returns the length of a sequence of `length` with its padding, or an error if it is too large.
    fn padded_length(&self, length: usize) -> Result<usize> {
        let [left, right] = self.padding;
        match left.checked_add(length).and_then(|length| length.checked_add(right)) {
            Some(length) => Ok(length),
            None => bail!("Conv1d: a length of {length} with a padding of {:?} is too large", self.padding),
        }
    }

    /// Returns the padding that both ends have, and what each end has in addition: the operator pads both ends alike.
    fn common_and_extra_padding(&self) -> (usize, [usize; 2]) {
        let common = self.padding[0].min(self.padding[1]);
        (common, self.padding.map(|padding| padding - common))
    }
}

/// A 1-d convolution with zero padding, as `torch.nn.Conv1d`.
///
/// # Shapes
/// (N, inputs, L) → (N, outputs, (L + padding − kernel) / stride + 1), where padding counts both ends.
#[derive(Debug, Clone)]
pub struct Conv1d {
    weight: Tensor,
    bias: Option<Tensor>,
    options: Conv1dOptions,
}

impl Conv1d {
    /// Builds the layer with the parameters `weight` (outputs, inputs, kernel) and `bias` (outputs), both initialised as
    /// [`uniform`]`(inputs·kernel)`.
    ///
    /// # Errors
    /// Fails if `vb` has tensors of these names in other shapes.
    pub fn new(inputs: usize, outputs: usize, options: Conv1dOptions, vb: VarBuilder) -> Result<Self> {
        let init = uniform(inputs * options.kernel);
        Ok(Self {
            weight: vb.get_with_hints((outputs, inputs, options.kernel), "weight", init)?,
            bias: options.bias.then(|| vb.get_with_hints(outputs, "bias", init)).transpose()?,
            options,
        })
    }

    /// Returns the weight (outputs, inputs, kernel).
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias (outputs).
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Returns the options.
    pub fn options(&self) -> &Conv1dOptions {
        &self.options
    }

    fn kind(&self) -> Result<String> {
        let (outputs, inputs, kernel) = self.weight.dims3()?;
        let mut kind = format!("Conv1d({inputs}, {outputs}, {kernel}");
        if self.options.stride != 1 {
            kind += &format!(", stride {}", self.options.stride);
        }
        match self.options.padding {
            [0, 0] => {}
            [left, right] if left == right => kind += &format!(", padding {left}"),
            [left, right] => kind += &format!(", padding {left}+{right}"),
        }
        Ok(kind + ")")
    }
}

impl Conv1d {
    /// Computes the layer, or only the maximum of each channel of its output, (N, outputs).
    pub(crate) fn forward_or_maximum(&self, xs: &Tensor, mode: Mode, maximum: bool) -> Result<Tensor> {
        let (weight, bias) = (mode.parameter(&self.weight), self.bias.as_ref().map(|bias| mode.parameter(bias)));
        let (padding, [left, right]) = self.options.common_and_extra_padding();
        let (n, channels, length) = xs.dims3()?;
        ops::check_memory("the padded input of Conv1d", &[n, channels, self.options.padded_length(length)?])?;
        let xs = xs.pad_with_zeros(2, left, right)?;
        let config = Conv1dConfig::default().stride(self.options.stride).padding(padding);
        let convolve = if maximum { ops::conv1d_max } else { ops::conv1d };
        convolve(&xs, &weight, bias.as_ref(), &config)
    }
}

impl Layer for Conv1d {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_or_maximum(xs, mode, false)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let (kind, (outputs, inputs, kernel)) = (self.kind()?, self.weight.dims3()?);
        let &[channels, length] = input else { bail!("{kind} does not take an input of {input:?}; it needs (C, L)") };
        if channels != inputs || length == 0 {
            bail!("{kind} does not take an input of {input:?}; it needs {inputs} channels and a length")
        }
        let (stride, length) = (self.options.stride, self.options.padded_length(length)?);
        let [_, length] = Window::row(kernel, stride, 0).output_size([1, length])?;
        Ok(Description::pointwise(kind, vec![outputs, length])
            .with_params(self.weight.elem_count() + self.bias.as_ref().map_or(0, Tensor::elem_count))
            .with_macs(self.weight.elem_count().saturating_mul(length) as u64)
            .with_receptive_field(Some(vec![ReceptiveField::new(kernel, stride, self.options.padding[0])])))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.describe(input)?;
        let (channels, length) = (input[0], input[1]);
        let (padding, extra) = self.options.common_and_extra_padding();
        let window = Window::row(self.options.kernel, self.options.stride, padding);
        let (weight, image) = (self.weight.unsqueeze(2)?, [channels, 1, extra[0] + length + extra[1]]);
        let conv = Box::new(prepared::Conv2d::new(&weight, self.bias.as_ref(), &window, Epilogue::None, image)?);
        if extra == [0, 0] {
            return Ok(conv);
        }
        Ok(Box::new(Chain::new(vec![Box::new(PreparedPadding { channels, length, padding: extra }), conv])?))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let Conv1dOptions { kernel, stride, padding, .. } = self.options;
        let attributes = [("kernel_shape", [kernel].into()), ("strides", [stride].into()), ("pads", padding.into())];
        export_convolution(graph, xs, &self.weight, self.bias.as_ref(), &attributes)
    }
}

/// Copies sequences (channels, length) with zeros added at both ends.
struct PreparedPadding {
    channels: usize,
    length: usize,
    /// The numbers of zeros before and behind a sequence.
    padding: [usize; 2],
}

impl Prepared for PreparedPadding {
    fn sizes(&self) -> [usize; 2] {
        [self.channels * self.length, self.channels * (self.padding[0] + self.length + self.padding[1])]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        let [left, right] = self.padding;
        for (y, x) in y.chunks_exact_mut(left + self.length + right).zip(x.chunks_exact(self.length)) {
            y.fill(0.);
            y[left..][..self.length].copy_from_slice(x);
        }
        Ok(())
    }
}
