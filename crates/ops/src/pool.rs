use crate::cpu::{self, fast, pool as kernel, read};
use crate::window::adaptive_ranges;
use crate::{Window, composed};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use kernel::Regions;

/// Local maximum, as `torch.nn.functional.max_pool2d`: the gradient goes to the first maximum of each window in
/// row-major order.
///
/// # Shapes
/// (N, C, H, W) → (N, C, oh, ow) with `window.output_size([H, W])`.
///
/// # Errors
/// An input smaller than the kernel, or a padding of more than half the kernel.
pub fn max_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    let regions = local_regions(spatial(xs)?, window)?;
    if fast(&[xs]) { pool(xs, regions, Kind::Max) } else { composed::max_pool2d(xs, window) }
}

/// Local average, as `torch.nn.functional.avg_pool2d`; padding counts as zeros (`count_include_pad=True`).
///
/// # Shapes and errors
/// As [`max_pool2d`].
pub fn avg_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    let regions = local_regions(spatial(xs)?, window)?;
    let divisor = window.kernel[0] * window.kernel[1];
    if fast(&[xs]) { pool(xs, regions, Kind::Average { divisor }) } else { composed::avg_pool2d(xs, window) }
}

/// Local maximum over one axis, as `torch.nn.functional.max_pool1d`.
///
/// # Shapes
/// (N, C, L) → (N, C, (L + 2·padding − kernel) / stride + 1).
pub fn max_pool1d(xs: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    max_pool2d(&xs.unsqueeze(2)?, &Window::row(kernel, stride, padding))?.squeeze(2)
}

/// Local average over one axis, as `torch.nn.functional.avg_pool1d`.
///
/// # Shapes
/// (N, C, L) → (N, C, (L + 2·padding − kernel) / stride + 1).
pub fn avg_pool1d(xs: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    avg_pool2d(&xs.unsqueeze(2)?, &Window::row(kernel, stride, padding))?.squeeze(2)
}

/// Maximum over a grid of a given size, whatever the input's, as `torch.nn.functional.adaptive_max_pool2d`.
///
/// # Shapes
/// (N, C, H, W) → (N, C, oh, ow) with the given `output` (oh, ow).
///
/// # Errors
/// An empty input or output.
pub fn adaptive_max_pool2d(xs: &Tensor, output: [usize; 2]) -> Result<Tensor> {
    let (_, _, height, width) = xs.dims4()?;
    if height * width * output[0] * output[1] == 0 {
        bail!("adaptive_max_pool2d: can't pool {:?} to {output:?}", xs.dims())
    }
    let size = [height, width];
    let [rows, columns] = [0, 1].map(|axis| adaptive_ranges(size[axis], output[axis]));
    if fast(&[xs]) {
        pool(xs, Regions { size, rows, columns }, Kind::Max)
    } else {
        composed::adaptive_max_pool2d(xs, &rows, &columns)
    }
}

/// Height and width.
fn spatial(xs: &Tensor) -> Result<[usize; 2]> {
    let (_, _, height, width) = xs.dims4()?;
    Ok([height, width])
}

/// What a pooling window looks at in planes of `size` (height, width).
pub(crate) fn local_regions(size: [usize; 2], window: &Window) -> Result<Regions> {
    window.check_pooling()?;
    let output = window.output_size(size)?;
    let [rows, columns] = [0, 1].map(|axis| window.ranges(axis, size[axis], output[axis]));
    Ok(Regions { size, rows, columns })
}

pub(crate) fn pool(xs: &Tensor, regions: Regions, kind: Kind) -> Result<Tensor> {
    xs.contiguous()?.apply_op1(Pool { regions, kind })
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Max,
    Average { divisor: usize },
}

struct Pool {
    regions: Regions,
    kind: Kind,
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Max => "max-pool",
            Kind::Average { .. } => "avg-pool",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = cpu::storage(storage, layout)?;
        let y = match self.kind {
            Kind::Max => kernel::max_forward(&self.regions, x),
            Kind::Average { divisor } => kernel::avg_forward(&self.regions, x, divisor),
        };
        let (n, c, _, _) = layout.shape().dims4()?;
        Ok((CpuStorage::F32(y), Shape::from((n, c, self.regions.rows.len(), self.regions.columns.len()))))
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        // The winners are found again rather than kept: one comparison pass costs no more than storing and loading
        // them, and the operator stays without state.
        let dx = match self.kind {
            Kind::Max => kernel::max_backward(&self.regions, &read(xs)?, &read(&grad)?),
            Kind::Average { divisor } => kernel::avg_backward(&self.regions, &read(&grad)?, divisor),
        };
        Ok(Some(Tensor::from_vec(dx, xs.shape(), xs.device())?))
    }
}
