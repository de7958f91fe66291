use super::Prepared;
use crate::Window;
use crate::cpu::pool::{self, Regions};
use crate::pool::{Kind, local_regions};
use candle_core::{Result, bail};

/// Pooling of an input (C, H, W), local or of whole planes; (C, L) counts as (C, 1, L).
pub struct Pool {
    channels: usize,
    regions: Regions,
    kind: Kind,
}

impl Pool {
    /// [`crate::max_pool2d`].
    ///
    /// # Errors
    /// An input smaller than the kernel, or a padding of more than half the kernel.
    pub fn max(window: &Window, [channels, height, width]: [usize; 3]) -> Result<Self> {
        Ok(Self { channels, regions: local_regions([height, width], window)?, kind: Kind::Max })
    }

    /// [`crate::avg_pool2d`].
    ///
    /// # Errors
    /// As [`Pool::max`].
    pub fn avg(window: &Window, input: [usize; 3]) -> Result<Self> {
        let kind = Kind::Average { divisor: window.kernel[0] * window.kernel[1] };
        Ok(Self { kind, ..Self::max(window, input)? })
    }

    /// [`crate::global_max_pool`].
    ///
    /// # Errors
    /// An empty feature map.
    pub fn global_max([channels, height, width]: [usize; 3]) -> Result<Self> {
        if channels * height * width == 0 {
            bail!("global pooling takes a feature map (C, H, W), not {:?}", [channels, height, width])
        }
        Ok(Self { channels, regions: Regions::whole([1, height * width]), kind: Kind::Max })
    }

    /// [`crate::global_avg_pool`].
    ///
    /// # Errors
    /// As [`Pool::global_max`].
    pub fn global_avg(input: [usize; 3]) -> Result<Self> {
        let kind = Kind::Average { divisor: input[1] * input[2] };
        Ok(Self { kind, ..Self::global_max(input)? })
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
            Kind::Max => pool::max_into(regions, x, y, *channels),
            Kind::Average { divisor } => pool::avg_into(regions, x, divisor, y, *channels),
        }
        Ok(())
    }
}
