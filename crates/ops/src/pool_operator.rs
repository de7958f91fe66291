//! The pooling operator of the CPU kernels, which local, adaptive and global pooling share.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::{
    Window,
    backward::hand_over_values,
    cpu::{
        self,
        avg_max_pool::AvgMaxPool,
        max_pool::MaxPool,
        pool::{self, Regions},
        read,
    },
    sizes::{check_memory, product},
    tape,
};

/// The way in which a pooling reduces its regions to one value each.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Max(MaxPool),
    /// The sum of each region, divided by `divisor`.
    Average {
        regions: Regions,
        divisor: usize,
    },
    AverageAndMax(AvgMaxPool),
}

impl Pool {
    /// Returns the maximum over regions.
    pub fn max(regions: Regions) -> Self {
        Self::Max(MaxPool::new(vec![regions]))
    }

    /// Returns the number of results of a plane.
    pub fn output(&self) -> usize {
        match self {
            Self::Max(pool) => pool.output(),
            Self::Average { regions, .. } => regions.output(),
            Self::AverageAndMax(_) => 2,
        }
    }

    /// Returns the number of values of an input plane.
    pub fn plane(&self) -> usize {
        match self {
            Self::Max(pool) => pool.plane(),
            Self::Average { regions, .. } => regions.plane(),
            Self::AverageAndMax(pool) => pool.plane(),
        }
    }
}

/// Returns the regions that a local pooling covers in planes of `size` (height, width).
pub(crate) fn local_regions(size: [usize; 2], window: &Window) -> Result<Regions> {
    window.check_pooling()?;
    let output = window.output_size(size)?;
    product("pooling: a plane", &size)?;
    check_ranges("pooling", output)?;
    let [rows, columns] = [0, 1].map(|axis| window.ranges(axis, size[axis], output[axis]));
    Ok(Regions { size, rows, columns })
}

/// Fails unless there is memory for a plane of results, and for the range of rows or columns of each output position.
pub(crate) fn check_ranges(operator: &str, output: [usize; 2]) -> Result<()> {
    check_memory(operator, &output)?;
    let values_per_range = size_of::<Range<usize>>() / size_of::<f32>();
    output.iter().try_for_each(|&count| check_memory(operator, &[count, values_per_range]))
}

/// Pools an f32 tensor (N, C, …) on the CPU to a result of the given shape. `planes` is the number of planes of a parallel
/// task, see [`MaxPool`].
pub(crate) fn pool(xs: &Tensor, pool: Pool, planes: usize, result: impl Into<Shape>) -> Result<Tensor> {
    let result = result.into();
    check_memory("pooling: a result", result.dims())?;
    let (xs, operator) = (xs.contiguous()?, PoolOperator { pool, planes, result });
    if tape::records([&xs]) {
        let ys = operator.forward(&read(&xs)?);
        return tape::record(ys, operator.result.clone(), move |_, grad| {
            hand_over_values(&xs, Some(operator.backward(&xs, grad)?))?;
            Ok(())
        });
    }
    xs.apply_op1(operator)
}

struct PoolOperator {
    pool: Pool,
    planes: usize,
    result: Shape,
}

impl PoolOperator {
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        match &self.pool {
            Pool::Max(pool) => pool.forward(x, self.planes),
            Pool::Average { regions, divisor } => pool::avg_forward(regions, x, *divisor, self.planes),
            Pool::AverageAndMax(pool) => pool.forward(x),
        }
    }

    /// Computes the gradient of the input.
    fn backward(&self, xs: &Tensor, grad: &Tensor) -> Result<Vec<f32>> {
        Ok(match &self.pool {
            Pool::Max(pool) => pool.backward(&read(xs)?, &read(grad)?, self.planes),
            Pool::Average { regions, divisor } => pool::avg_backward(regions, &read(grad)?, *divisor, self.planes),
            Pool::AverageAndMax(pool) => pool.backward(&read(xs)?, &read(grad)?),
        })
    }
}

impl CustomOp1 for PoolOperator {
    fn name(&self) -> &'static str {
        match self.pool {
            Pool::Max(_) => "max-pool",
            Pool::Average { .. } => "avg-pool",
            Pool::AverageAndMax(_) => "avg-max-pool",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.forward(cpu::storage(storage, layout)?)), self.result.clone()))
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        hand_over_values(xs, Some(self.backward(xs, &grad.contiguous()?)?))
    }
}
