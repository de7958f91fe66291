use candle_core::{Result, bail};
use std::ops::Range;

/// The sliding window of a convolution or a local pooling: kernel, stride and zero padding as (height, width).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

impl Window {
    /// The usual window of a convolution: a square kernel with stride 1 and without padding.
    pub fn conv(kernel: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [1; 2], padding: [0; 2] }
    }

    /// The usual window of a pooling: a square kernel whose stride is its own size, without padding.
    pub fn pool(kernel: usize) -> Self {
        Self { stride: [kernel; 2], ..Self::conv(kernel) }
    }

    /// A window over one axis of length L, seen as an image of height 1.
    pub fn row(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [1, kernel], stride: [1, stride], padding: [0, padding] }
    }

    /// The same window with this stride on both axes.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// The same window with this padding on all sides.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// Height and width of the output for an input of `size` (height, width), rounded down as PyTorch does.
    ///
    /// # Errors
    /// A kernel or stride of zero, an empty input, or a padded one smaller than the kernel.
    pub fn output_size(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
            if kernel == 0 || stride == 0 {
                bail!("kernel and stride must be at least 1, not {self:?}")
            }
            let padded = size[axis] + 2 * padding;
            if padded < kernel || size[axis] == 0 {
                bail!(
                    "an input of {}x{} is too small for a kernel of {}x{} with padding {:?}",
                    size[0],
                    size[1],
                    self.kernel[0],
                    self.kernel[1],
                    self.padding
                )
            }
            output[axis] = (padded - kernel) / stride + 1;
        }
        Ok(output)
    }

    /// For pooling: which rows (axis 0) or columns (axis 1) each output position looks at, without the padding.
    pub(crate) fn ranges(&self, axis: usize, size: usize, output: usize) -> Vec<Range<usize>> {
        let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
        (0..output).map(|o| (o * stride).saturating_sub(padding)..(o * stride + kernel - padding).min(size)).collect()
    }

    /// The check PyTorch makes for pooling: with more padding than half the kernel a window could see nothing.
    pub(crate) fn check_pooling(&self) -> Result<()> {
        if self.padding.iter().zip(self.kernel).any(|(p, k)| p * 2 > k) {
            bail!("pooling: the padding can be at most half the kernel, not {self:?}")
        }
        Ok(())
    }
}

/// PyTorch's adaptive windows: output position `o` of `output` looks at `floor(o·size/output) .. ceil((o+1)·size/output)`.
pub(crate) fn adaptive_ranges(size: usize, output: usize) -> Vec<Range<usize>> {
    (0..output).map(|o| o * size / output..((o + 1) * size).div_ceil(output)).collect()
}
