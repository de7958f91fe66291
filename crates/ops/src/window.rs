use candle_core::{Result, bail};
use std::ops::Range;

/// The kernel size, stride and padding of a sliding window, each as (height, width).
///
/// Poolings, depthwise convolutions, and prepared and fused convolutions take it. [`conv2d`](crate::conv2d) takes a
/// [`Conv2dConfig`](crate::Conv2dConfig), into which a window converts.
///
/// # Example
///
/// ```
/// use ops::Window;
///
/// # fn main() -> candle_core::Result<()> {
/// assert_eq!(Window::conv(3).padding(1).output_size([28, 28])?, [28, 28]);
/// assert_eq!(Window::pool(2).output_size([28, 28])?, [14, 14]);
/// // Overlapping windows, as in AlexNet.
/// assert_eq!(Window::pool(3).stride(2).output_size([55, 55])?, [27, 27]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Window {
    /// The size of the kernel.
    pub kernel: [usize; 2],
    /// The distance between neighbouring windows.
    pub stride: [usize; 2],
    /// The number of positions added on both sides of each axis. A convolution and an average pooling read zeros there,
    /// and a max pooling ignores them.
    pub padding: [usize; 2],
}

impl Window {
    /// Creates a window from all its sizes.
    pub fn new(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Self {
        Self { kernel, stride, padding }
    }

    /// Creates the usual window of a convolution: a square kernel with stride 1 and no padding.
    pub fn conv(kernel: usize) -> Self {
        Self::new([kernel; 2], [1; 2], [0; 2])
    }

    /// Creates the usual window of a pooling: a square kernel with a stride of the same size and no padding.
    pub fn pool(kernel: usize) -> Self {
        Self::new([kernel; 2], [kernel; 2], [0; 2])
    }

    /// Creates a window over the length of a (N, C, L) tensor, which is treated as an image of height 1.
    pub fn row(kernel: usize, stride: usize, padding: usize) -> Self {
        Self::new([1, kernel], [1, stride], [0, padding])
    }

    /// Sets the stride of both axes.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// Sets the padding of all sides.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// Returns the height and width of the output for an input of `size` (height, width), rounded down as in PyTorch.
    ///
    /// # Errors
    /// Fails if a kernel or stride is zero, or if the input is empty or, padding included, smaller than the kernel or
    /// too large for an address space.
    pub fn output_size(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
            if kernel == 0 || stride == 0 {
                bail!("kernel and stride must be at least 1, not {self:?}")
            }
            let padded = self.padded_size(size)?[axis];
            if padded < kernel || size[axis] == 0 {
                let ([height, width], [kh, kw]) = (size, self.kernel);
                bail!(
                    "an input of {height}x{width} is too small for a kernel of {kh}x{kw} with padding {:?}",
                    self.padding
                )
            }
            output[axis] = (padded - kernel) / stride + 1;
        }
        Ok(output)
    }

    /// Returns the height and width of an input of `size` with its padding, or fails if they are too large for an address
    /// space.
    pub(crate) fn padded_size(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        let mut padded = [0; 2];
        for axis in 0..2 {
            let zeros = self.padding[axis].checked_mul(2);
            match zeros.and_then(|zeros| zeros.checked_add(size[axis])).filter(|&sum| sum <= isize::MAX as usize) {
                Some(sum) => padded[axis] = sum,
                None => bail!("an input of {size:?} with a padding of {:?} is too large to be addressed", self.padding),
            }
        }
        Ok(padded)
    }

    /// Returns the window with strides that are also numbers with a sign. A longer stride means the same, a single
    /// position, but distances computed from it would wrap.
    pub(crate) fn with_bounded_stride(self) -> Self {
        Self { stride: self.stride.map(|stride| stride.min(isize::MAX as usize)), ..self }
    }

    /// Returns the rows (axis 0) or columns (axis 1) that each output position of a pooling covers, without the
    /// padding. `output` is what [`Window::output_size`] returns for the axis.
    pub(crate) fn ranges(&self, axis: usize, size: usize, output: usize) -> Vec<Range<usize>> {
        let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
        (0..output).map(|o| (o * stride).saturating_sub(padding)..(o * stride + kernel - padding).min(size)).collect()
    }

    /// Refuses a pooling with more padding than half the kernel, as PyTorch does: a window could cover padding only.
    pub(crate) fn check_pooling(&self) -> Result<()> {
        if self.padding.iter().zip(self.kernel).any(|(p, k)| *p > k / 2) {
            bail!("the padding of a pooling can be at most half the kernel, not {self:?}")
        }
        Ok(())
    }
}

/// Returns PyTorch's adaptive windows: output position `o` covers `floor(o·size/output) .. ceil((o+1)·size/output)`.
/// `size · output` must not overflow.
pub(crate) fn adaptive_ranges(size: usize, output: usize) -> Vec<Range<usize>> {
    (0..output).map(|o| o * size / output..((o + 1) * size).div_ceil(output)).collect()
}
