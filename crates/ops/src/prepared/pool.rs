use candle_core::{Result, bail};

use super::operator::Prepared;
use crate::{
    Window,
    cpu::{
        avg_max_pool::AvgMaxPool,
        max_pool::MaxPool,
        pixel_pool::{Reduction, pool_pixels},
        pool::{self, Regions},
    },
    pool::pyramid,
    pool_operator::{self, local_regions},
    sizes::{check_memory, product},
};

/// A local or global pooling of inputs (C, H, W), to the average or maximum of each region. A sequence (C, L) is an image
/// (C, 1, L).
pub struct Pool {
    channels: usize,
    pool: pool_operator::Pool,
    /// The same for inputs that are channels last, where there is such a kernel.
    of_pixels: Option<Reduction>,
    channels_last: bool,
}

impl Pool {
    /// Prepares [`max_pool2d`](crate::max_pool2d).
    ///
    /// # Errors
    /// Fails if the input is smaller than the kernel, or if the padding is more than half the kernel.
    pub fn max(window: &Window, input: [usize; 3]) -> Result<Self> {
        Ok(Self::of_planes(input[0], pool_operator::Pool::max(regions(window, input)?)))
    }

    /// Prepares [`avg_pool2d`](crate::avg_pool2d).
    ///
    /// # Errors
    /// The same as for [`Pool::max`].
    pub fn avg(window: &Window, input: [usize; 3]) -> Result<Self> {
        let (regions, divisor) = (regions(window, input)?, product("pooling: a window", &window.kernel)?);
        Ok(Self::of_planes(input[0], pool_operator::Pool::Average { regions, divisor }))
    }

    /// Prepares [`global_max_pool`](crate::global_max_pool).
    ///
    /// # Errors
    /// Fails if the feature map is empty.
    pub fn global_max(input: [usize; 3]) -> Result<Self> {
        let positions = positions(input)?;
        let pool = pool_operator::Pool::max(Regions::whole([1, positions]));
        Ok(Self { of_pixels: Some(Reduction::Max), ..Self::of_planes(input[0], pool) })
    }

    /// Prepares [`global_avg_pool`](crate::global_avg_pool).
    ///
    /// # Errors
    /// The same as for [`Pool::global_max`].
    pub fn global_avg(input: [usize; 3]) -> Result<Self> {
        let divisor = positions(input)?;
        let regions = Regions::whole([1, divisor]);
        let pool = pool_operator::Pool::Average { regions, divisor };
        Ok(Self { of_pixels: Some(Reduction::Sum(1. / divisor as f32)), ..Self::of_planes(input[0], pool) })
    }

    /// Prepares [`global_avg_max_pool`](crate::global_avg_max_pool).
    ///
    /// # Errors
    /// The same as for [`Pool::global_max`].
    pub fn global_avg_max(input: [usize; 3]) -> Result<Self> {
        let pool = AvgMaxPool::new(input[0], positions(input)?);
        Ok(Self::of_planes(input[0], pool_operator::Pool::AverageAndMax(pool)))
    }

    /// Prepares [`spatial_pyramid_pool`](crate::spatial_pyramid_pool).
    ///
    /// # Errors
    /// The same as for [`Pool::global_max`]; fails also if there are no levels or if one is empty.
    pub fn spatial_pyramid(levels: &[usize], input: [usize; 3]) -> Result<Self> {
        positions(input)?;
        let [channels, height, width] = input;
        let pool = MaxPool::new(pyramid([height, width], levels)?);
        check_memory("pooling: a result", &[channels, pool.output()])?;
        Ok(Self::of_planes(channels, pool_operator::Pool::Max(pool)))
    }

    fn of_planes(channels: usize, pool: pool_operator::Pool) -> Self {
        Self { channels, pool, of_pixels: None, channels_last: false }
    }
}

/// Returns the regions of a local pooling of an input (C, H, W).
fn regions(window: &Window, [channels, height, width]: [usize; 3]) -> Result<Regions> {
    product("pooling: an input", &[channels, height, width])?;
    let output = window.output_size([height, width])?;
    check_memory("pooling: a result", &[channels, output[0], output[1]])?;
    local_regions([height, width], window)
}

/// Returns the number of positions of a feature map (C, H, W).
pub(super) fn positions(input: [usize; 3]) -> Result<usize> {
    if product("global pooling: an input", &input)? == 0 {
        bail!("global pooling of {input:?}: a feature map must be (C, H, W) and not empty")
    }
    Ok(input[1] * input[2])
}

impl Prepared for Pool {
    fn sizes(&self) -> [usize; 2] {
        [self.pool.plane(), self.pool.output()].map(|values| self.channels * values)
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        if let Some(reduction) = self.of_pixels.filter(|_| self.channels_last) {
            pool_pixels(x, y, [self.pool.plane(), self.channels], reduction);
            return Ok(());
        }
        match &self.pool {
            pool_operator::Pool::Max(pool) => pool.forward_into(x, y, self.channels),
            pool_operator::Pool::Average { regions, divisor } => {
                pool::avg_into(regions, x, *divisor, y, self.channels);
            }
            pool_operator::Pool::AverageAndMax(pool) => pool.forward_into(x, y),
        }
        Ok(())
    }

    fn can_be_channels_last(&self) -> [bool; 2] {
        [self.of_pixels.is_some(), false]
    }

    fn set_channels_last(&mut self, [input, _]: [bool; 2]) {
        self.channels_last = input;
    }
}
