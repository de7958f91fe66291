use candle_core::{Result, Tensor};

use super::{memory::values, operator::Prepared, pool::positions};
use crate::{
    cpu::smooth_maximum::{self, Kind},
    pool_global::check_parameter,
};

/// [`gem_pool`](crate::gem_pool) or [`lse_pool`](crate::lse_pool) with a fixed parameter, on inputs (C, H, W). A sequence
/// (C, L) is an image (C, 1, L).
pub struct SmoothMaximum {
    channels: usize,
    positions: usize,
    pooling: smooth_maximum::SmoothMaximum,
}

impl SmoothMaximum {
    /// Prepares [`gem_pool`](crate::gem_pool).
    ///
    /// # Shapes
    /// `p` (1).
    ///
    /// # Errors
    /// Fails if the feature map is empty, or if the parameter has another shape or is not f32 on the CPU.
    pub fn gem(p: &Tensor, input: [usize; 3]) -> Result<Self> {
        check_parameter("gem_pool", "p", p)?;
        Self::new(Kind::GeneralisedMean, p, input)
    }

    /// Prepares [`lse_pool`](crate::lse_pool).
    ///
    /// # Shapes
    /// `r` (1).
    ///
    /// # Errors
    /// The same as for [`SmoothMaximum::gem`].
    pub fn lse(r: &Tensor, input: [usize; 3]) -> Result<Self> {
        check_parameter("lse_pool", "r", r)?;
        Self::new(Kind::LogMeanExp, r, input)
    }

    fn new(kind: Kind, parameter: &Tensor, input: [usize; 3]) -> Result<Self> {
        let pooling = smooth_maximum::SmoothMaximum::new(kind, values(parameter)?[0]);
        Ok(Self { channels: input[0], positions: positions(input)?, pooling })
    }
}

impl Prepared for SmoothMaximum {
    fn sizes(&self) -> [usize; 2] {
        [self.channels * self.positions, self.channels]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        self.pooling.forward_into(x, self.positions, y, self.channels);
        Ok(())
    }
}
