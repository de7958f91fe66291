//! Local and adaptive pooling.

use candle_core::{Device, Result, Tensor, bail};

use crate::{
    Window, composed,
    cpu::{fast, max_pool::MaxPool, pool::Regions},
    pool_operator::{Pool, check_ranges, local_regions, pool},
    precision,
    sizes::product,
    window::adaptive_ranges,
};

/// Takes the maximum of each window, like `torch.nn.functional.max_pool2d`. The gradient goes to the first maximum of
/// the window in row-major order.
///
/// # Shapes
/// (N, C, H, W) → (N, C, oh, ow) with `window.output_size([H, W])`.
///
/// # Errors
/// Fails if the input is smaller than the kernel, or if the padding is more than half the kernel.
pub fn max_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| max_pool2d(&xs, window));
    }
    let regions = local_regions(plane(xs)?, window)?;
    if fast(&[xs]) { max(xs, regions) } else { composed::max_pool2d(xs, window) }
}

/// Takes the average of each window, like `torch.nn.functional.avg_pool2d`. Padding counts as zeros
/// (`count_include_pad=True`).
///
/// # Shapes
/// The same as for [`max_pool2d`].
///
/// # Errors
/// The same as for [`max_pool2d`].
pub fn avg_pool2d(xs: &Tensor, window: &Window) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| avg_pool2d(&xs, window));
    }
    let regions = local_regions(plane(xs)?, window)?;
    let divisor = product("avg_pool2d: a window", &window.kernel)?;
    if fast(&[xs]) { average(xs, regions, divisor) } else { composed::avg_pool2d(xs, window) }
}

/// Takes the maximum of each window of a sequence, like `torch.nn.functional.max_pool1d`.
///
/// # Shapes
/// (N, C, L) → (N, C, (L + 2·padding − kernel) / stride + 1), rounded down.
///
/// # Errors
/// The same as for [`max_pool2d`].
pub fn max_pool1d(xs: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    max_pool2d(&xs.unsqueeze(2)?, &Window::row(kernel, stride, padding))?.squeeze(2)
}

/// Takes the average of each window of a sequence, like `torch.nn.functional.avg_pool1d`.
///
/// # Shapes
/// The same as for [`max_pool1d`].
///
/// # Errors
/// The same as for [`max_pool2d`].
pub fn avg_pool1d(xs: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    avg_pool2d(&xs.unsqueeze(2)?, &Window::row(kernel, stride, padding))?.squeeze(2)
}

/// Takes maxima over a grid of the given size, whatever the size of the input, like
/// `torch.nn.functional.adaptive_max_pool2d`.
///
/// # Shapes
/// (N, C, H, W) → (N, C, oh, ow) with the given `output` (oh, ow).
///
/// # Errors
/// Fails if the input or the output is empty.
pub fn adaptive_max_pool2d(xs: &Tensor, output: [usize; 2]) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| adaptive_max_pool2d(&xs, output));
    }
    let regions = adaptive_regions("adaptive_max_pool2d", plane(xs)?, output)?;
    if fast(&[xs]) { max(xs, regions) } else { composed::adaptive_max_pool2d(xs, &regions.rows, &regions.columns) }
}

/// Takes averages over a grid of the given size, whatever the size of the input, like
/// `torch.nn.functional.adaptive_avg_pool2d`.
///
/// # Shapes
/// (N, C, H, W) → (N, C, oh, ow) with the given `output` (oh, ow).
///
/// # Errors
/// Fails if the input or the output is empty.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// # fn main() -> candle_core::Result<()> {
/// let row = Tensor::new(&[1f32, 2., 3., 4., 5.], &Device::Cpu)?.reshape((1, 1, 1, 5))?;
/// let halves = ops::adaptive_avg_pool2d(&row, [1, 2])?;
/// // The windows overlap, because 2 does not divide 5: (1 + 2 + 3) / 3 and (3 + 4 + 5) / 3.
/// assert_eq!(halves.flatten_all()?.to_vec1::<f32>()?, [2., 4.]);
/// # Ok(())
/// # }
/// ```
pub fn adaptive_avg_pool2d(xs: &Tensor, output: [usize; 2]) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| adaptive_avg_pool2d(&xs, output));
    }
    let regions = adaptive_regions("adaptive_avg_pool2d", plane(xs)?, output)?;
    if !fast(&[xs]) {
        return composed::adaptive_avg_pool2d(xs, &regions.rows, &regions.columns);
    }
    let shares = shares(&regions, xs.device())?;
    average(xs, regions, 1)?.broadcast_mul(&shares)
}

/// Takes the maxima of some levels of bins, each of them [`adaptive_max_pool2d`] to n×n, side by side: spatial pyramid
/// pooling (He et al. 2014).
///
/// # Shapes
/// (N, C, H, W) → (N, C · Σ n²). The results of a level are (C, n, n), those of the first level come first.
///
/// # Errors
/// Fails if there are no levels, or if the input or a level is empty.
///
/// # Example
///
/// ```
/// use candle_core::{DType, Device, Tensor};
///
/// # fn main() -> candle_core::Result<()> {
/// let features = Tensor::zeros((8, 64, 5, 5), DType::F32, &Device::Cpu)?;
/// assert_eq!(ops::spatial_pyramid_pool(&features, &[1, 2, 4])?.dims(), [8, 64 * (1 + 4 + 16)]);
/// # Ok(())
/// # }
/// ```
pub fn spatial_pyramid_pool(xs: &Tensor, levels: &[usize]) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| spatial_pyramid_pool(&xs, levels));
    }
    let regions = pyramid(plane(xs)?, levels)?;
    let (batch, channels) = (xs.dim(0)?, xs.dim(1)?);
    if fast(&[xs]) && channels > 0 {
        let max = MaxPool::new(regions);
        let results = product("spatial_pyramid_pool: an image's results", &[channels, max.output()])?;
        return pool(xs, Pool::Max(max), channels, (batch, results));
    }
    let level = |r: &Regions| composed::adaptive_max_pool2d(xs, &r.rows, &r.columns)?.flatten_from(1);
    Tensor::cat(&regions.iter().map(level).collect::<Result<Vec<_>>>()?, 1)
}

/// Returns the regions of the levels of a pyramid on planes of `size` (height, width).
pub(crate) fn pyramid(size: [usize; 2], levels: &[usize]) -> Result<Vec<Regions>> {
    if levels.is_empty() {
        bail!("spatial_pyramid_pool: no levels are not possible; at least one is needed")
    }
    levels.iter().map(|&n| adaptive_regions("spatial_pyramid_pool", size, [n, n])).collect()
}

/// The number of planes per parallel task.
const PLANES_PER_TASK: usize = 16;

fn max(xs: &Tensor, regions: Regions) -> Result<Tensor> {
    let result = [xs.dim(0)?, xs.dim(1)?, regions.rows.len(), regions.columns.len()];
    pool(xs, Pool::max(regions), PLANES_PER_TASK, &result)
}

fn average(xs: &Tensor, regions: Regions, divisor: usize) -> Result<Tensor> {
    let result = [xs.dim(0)?, xs.dim(1)?, regions.rows.len(), regions.columns.len()];
    pool(xs, Pool::Average { regions, divisor }, PLANES_PER_TASK, &result)
}

/// Returns the height and width of (N, C, H, W).
fn plane(xs: &Tensor) -> Result<[usize; 2]> {
    let (_, _, height, width) = xs.dims4()?;
    Ok([height, width])
}

fn adaptive_regions(name: &str, size: [usize; 2], output: [usize; 2]) -> Result<Regions> {
    if size.contains(&0) || output.contains(&0) {
        bail!("{name}: planes of {size:?} cannot be pooled to {output:?}; both must have positions")
    }
    check_ranges(name, output)?;
    for axis in 0..2 {
        product(name, &[size[axis], output[axis]])?;
    }
    let [rows, columns] = [0, 1].map(|axis| adaptive_ranges(size[axis], output[axis]));
    Ok(Regions { size, rows, columns })
}

/// Returns one divided by the number of positions of each region, as (oh, ow).
fn shares(regions: &Regions, device: &Device) -> Result<Tensor> {
    let Regions { rows, columns, .. } = regions;
    let share = |rows: usize, columns: usize| 1. / (rows * columns) as f32;
    let shares = rows.iter().flat_map(|r| columns.iter().map(move |c| share(r.len(), c.len())));
    Tensor::from_vec(shares.collect(), (rows.len(), columns.len()), device)
}
