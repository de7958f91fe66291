use candle_core::{Result, bail};

use super::operator::Prepared;
use crate::{
    Window,
    cpu::pool::{self, Regions},
    pool_operator::{PoolKind, local_regions},
    sizes::{check_memory, product},
};

/// A local or global pooling of inputs (C, H, W). A sequence (C, L) is an image (C, 1, L).
pub struct Pool {
    channels: usize,
    regions: Regions,
    kind: PoolKind,
}

impl Pool {
    /// Prepares [`max_pool2d`](crate::max_pool2d).
    ///
    /// # Errors
    /// Fails if the input is smaller than the kernel, or if the padding is more than half the kernel.
    pub fn max(window: &Window, [channels, height, width]: [usize; 3]) -> Result<Self> {
        product("pooling: an input", &[channels, height, width])?;
        let output = window.output_size([height, width])?;
        check_memory("pooling: a result", &[channels, output[0], output[1]])?;
        Ok(Self { channels, regions: local_regions([height, width], window)?, kind: PoolKind::Max })
    }

    /// Prepares [`avg_pool2d`](crate::avg_pool2d).
    ///
    /// # Errors
    /// The same as for [`Pool::max`].
    pub fn avg(window: &Window, input: [usize; 3]) -> Result<Self> {
        let kind = PoolKind::Average { divisor: product("pooling: a window", &window.kernel)? };
        Ok(Self { kind, ..Self::max(window, input)? })
    }

    /// Prepares [`global_max_pool`](crate::global_max_pool).
    ///
    /// # Errors
    /// Fails if the feature map is empty.
    pub fn global_max([channels, height, width]: [usize; 3]) -> Result<Self> {
        if product("global pooling: an input", &[channels, height, width])? == 0 {
            let input = [channels, height, width];
            bail!("global pooling of {input:?}: a feature map must be (C, H, W) and not empty")
        }
        Ok(Self { channels, regions: Regions::whole([1, height * width]), kind: PoolKind::Max })
    }

    /// Prepares [`global_avg_pool`](crate::global_avg_pool).
    ///
    /// # Errors
    /// The same as for [`Pool::global_max`].
    pub fn global_avg(input: [usize; 3]) -> Result<Self> {
        let pool = Self::global_max(input)?;
        Ok(Self { kind: PoolKind::Average { divisor: pool.regions.plane() }, ..pool })
    }
}

impl Prepared for Pool {
    fn sizes(&self) -> [usize; 2] {
        [self.regions.plane(), self.regions.output()].map(|values| self.channels * values)
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        let Self { channels, regions, kind } = self;
        match *kind {
            PoolKind::Max => pool::max_into(regions, x, y, *channels),
            PoolKind::Average { divisor } => pool::avg_into(regions, x, divisor, y, *channels),
        }
        Ok(())
    }
}
