//! The pooling operator of the CPU kernels, which local, adaptive and global pooling share.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::{
    Window,
    cpu::{
        self,
        pool::{self, Regions},
        read,
    },
    sizes::{check_memory, product},
};

/// The way in which a pooling reduces a region to one value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PoolKind {
    Max,
    /// The sum of the region, divided by `divisor`.
    Average {
        divisor: usize,
    },
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

/// Pools an f32 tensor (N, C, H, W) on the CPU over the given regions.
pub(crate) fn pool(xs: &Tensor, regions: Regions, kind: PoolKind) -> Result<Tensor> {
    check_memory("pooling: a result", &[xs.dim(0)?, xs.dim(1)?, regions.rows.len(), regions.columns.len()])?;
    xs.contiguous()?.apply_op1(Pool { regions, kind })
}

struct Pool {
    regions: Regions,
    kind: PoolKind,
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max => "max-pool",
            PoolKind::Average { .. } => "avg-pool",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = cpu::storage(storage, layout)?;
        let y = match self.kind {
            PoolKind::Max => pool::max_forward(&self.regions, x),
            PoolKind::Average { divisor } => pool::avg_forward(&self.regions, x, divisor),
        };
        let (n, c, _, _) = layout.shape().dims4()?;
        Ok((CpuStorage::F32(y), Shape::from((n, c, self.regions.rows.len(), self.regions.columns.len()))))
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        // The maxima are found again instead of saved: comparing the values costs no more than storing and loading
        // positions, and the operator stays stateless.
        let dx = match self.kind {
            PoolKind::Max => pool::max_backward(&self.regions, &read(xs)?, &read(&grad)?),
            PoolKind::Average { divisor } => pool::avg_backward(&self.regions, &read(&grad)?, divisor),
        };
        Ok(Some(Tensor::from_vec(dx, xs.shape(), xs.device())?))
    }
}
