use candle_core::{Result, Tensor, bail};

use crate::Window;

/// The stride, zero padding, dilation and number of groups of a 2-d convolution, the first three as (height, width).
///
/// It takes the place of the keyword arguments of `torch.nn.functional.conv2d`; the size of the kernel comes from the
/// weights. It mirrors `candle_nn::Conv2dConfig`, which has the same value for both axes and converts to this one.
///
/// # Example
///
/// ```
/// use ops::Conv2dConfig;
///
/// let config = Conv2dConfig::default().stride(2).padding(1);
/// assert_eq!(config, candle_nn::Conv2dConfig { stride: 2, padding: 1, ..Default::default() }.into());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Conv2dConfig {
    /// The distance between neighbouring output positions in the input (default 1).
    pub stride: [usize; 2],
    /// The zeros added on both sides of each axis (default 0).
    pub padding: [usize; 2],
    /// The distance between neighbouring values of the kernel in the input (default 1).
    pub dilation: [usize; 2],
    /// The number of groups that input and output channels are divided into; a group of output channels sees only its
    /// group of input channels (default 1).
    pub groups: usize,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self { stride: [1; 2], padding: [0; 2], dilation: [1; 2], groups: 1 }
    }
}

impl Conv2dConfig {
    /// Sets the stride of both axes.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// Sets the padding of all sides.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// Sets the dilation of both axes.
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation: [dilation; 2], ..self }
    }

    /// Sets the number of groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Returns the height and width of the output for a kernel and an input of these sizes, rounded down as in PyTorch.
    ///
    /// # Errors
    /// Fails if a kernel, stride or dilation is zero, or if the input is empty or, padding included, smaller than the
    /// dilated kernel or too large for an address space.
    pub fn output_size(&self, kernel: [usize; 2], input: [usize; 2]) -> Result<[usize; 2]> {
        if self.dilation.contains(&0) || kernel.contains(&0) {
            bail!("kernel and dilation must be at least 1, not {kernel:?} and {:?}", self.dilation)
        }
        let mut dilated = [0; 2];
        for axis in 0..2 {
            let reach = (kernel[axis] - 1).checked_mul(self.dilation[axis]);
            match reach.and_then(|reach| reach.checked_add(1)) {
                Some(size) => dilated[axis] = size,
                None => bail!("a kernel of {kernel:?} with a dilation of {:?} is too large", self.dilation),
            }
        }
        Window::new(dilated, self.stride, self.padding).output_size(input)
    }

    /// Returns the window of an undilated convolution with the kernel of `weight`.
    pub(crate) fn window(&self, weight: &Tensor) -> Result<Window> {
        let (_, _, kh, kw) = weight.dims4()?;
        Ok(Window::new([kh, kw], self.stride, self.padding))
    }

    /// Refuses tensors whose channels do not fit each other and the groups.
    pub(crate) fn check_channels(&self, xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
        let (in_channels, out_channels) = (xs.dim(1)?, weight.dim(0)?);
        let divides = self.groups > 0 && out_channels.is_multiple_of(self.groups);
        if !divides || weight.elem_count() == 0 || weight.dim(1)?.checked_mul(self.groups) != Some(in_channels) {
            let (xs, weight, groups) = (xs.dims(), weight.dims(), self.groups);
            bail!(
                "conv2d: weights {weight:?} do not fit an input {xs:?} in {groups} groups; possible: \
                 (C_out, C_in / groups, kh, kw), with C_in and C_out divisible by the groups"
            )
        }
        if let Some(bias) = bias.filter(|bias| bias.dims() != [out_channels]) {
            bail!("conv2d: a bias {:?} does not fit {out_channels} output channels; possible: (C_out)", bias.dims())
        }
        Ok(())
    }
}

/// Takes over the stride and padding; the size of the kernel comes from the weights.
impl From<Window> for Conv2dConfig {
    fn from(window: Window) -> Self {
        Self { stride: window.stride, padding: window.padding, ..Self::default() }
    }
}

/// Takes over everything but the choice of a cuDNN algorithm.
impl From<candle_nn::Conv2dConfig> for Conv2dConfig {
    fn from(config: candle_nn::Conv2dConfig) -> Self {
        let candle_nn::Conv2dConfig { padding, stride, dilation, groups, .. } = config;
        Self { stride: [stride; 2], padding: [padding; 2], dilation: [dilation; 2], groups }
    }
}

/// The stride, zero padding, dilation and number of groups of a 1-d convolution.
///
/// It takes the place of the keyword arguments of `torch.nn.functional.conv1d`; the size of the kernel comes from the
/// weights. It mirrors `candle_nn::Conv1dConfig`, which converts to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Conv1dConfig {
    /// The distance between neighbouring output positions in the input (default 1).
    pub stride: usize,
    /// The zeros added on both sides (default 0).
    pub padding: usize,
    /// The distance between neighbouring values of the kernel in the input (default 1).
    pub dilation: usize,
    /// The number of groups that input and output channels are divided into (default 1).
    pub groups: usize,
}

impl Default for Conv1dConfig {
    fn default() -> Self {
        Self { stride: 1, padding: 0, dilation: 1, groups: 1 }
    }
}

impl Conv1dConfig {
    /// Sets the stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Sets the padding of both sides.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// Sets the dilation.
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Sets the number of groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
}

/// Takes over everything but the choice of a cuDNN algorithm.
impl From<candle_nn::Conv1dConfig> for Conv1dConfig {
    fn from(config: candle_nn::Conv1dConfig) -> Self {
        let candle_nn::Conv1dConfig { padding, stride, dilation, groups, .. } = config;
        Self { stride, padding, dilation, groups }
    }
}

/// Describes the same convolution on images of height 1.
impl From<Conv1dConfig> for Conv2dConfig {
    fn from(config: Conv1dConfig) -> Self {
        let Conv1dConfig { stride, padding, dilation, groups } = config;
        Self { stride: [1, stride], padding: [0, padding], dilation: [1, dilation], groups }
    }
}
