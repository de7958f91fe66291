//! Global pooling of channels-last feature maps (positions, C), in parallel over images. Vectors run along the channels. The
//! results have the bits of pooling planes: the sums have the order of [`reduce::sum`](super::reduce::sum).

use pulp::Simd;

use super::{
    parallel,
    reduce::LANES,
    simd::{Kernel, dispatch, vectors},
};

/// The way in which all values of a channel are reduced to one.
#[derive(Debug, Clone, Copy)]
pub enum Reduction {
    /// The first of the greatest, but the last NaN if there is one, as in PyTorch.
    Max,
    /// Their sum, multiplied by a factor.
    Sum(f32),
}

/// Reduces maps of `positions` and `channels` to `y` (N, C).
pub fn pool_pixels(x: &[f32], y: &mut [f32], [positions, channels]: [usize; 2], reduction: Reduction) {
    let map = positions * channels;
    parallel::chunks(y, channels, x.len(), |i, y| {
        dispatch(PixelPool { x: &x[i * map..][..map], y, reduction });
    });
}

/// Reduces one map.
struct PixelPool<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    reduction: Reduction,
}

impl Kernel for PixelPool<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, y, reduction } = self;
        let channels = y.len();
        for first in (0..channels).step_by(S::F32_LANES) {
            let y = &mut y[first..channels.min(first + S::F32_LANES)];
            let column = Column { x: &x[first..], channels, len: y.len() };
            let result = match reduction {
                Reduction::Max => column.max(simd),
                Reduction::Sum(factor) => simd.mul_f32s(column.sum(simd), simd.splat_f32s(factor)),
            };
            simd.partial_store_f32s(y, result);
        }
    }
}

/// The values of at most a vector of channels.
#[derive(Clone, Copy)]
struct Column<'a> {
    /// The map from the first of these channels on.
    x: &'a [f32],
    /// The number of channels of the map.
    channels: usize,
    /// The number of channels of the column.
    len: usize,
}

impl Column<'_> {
    /// Returns the values at a position.
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, position: usize) -> S::f32s {
        let values = &self.x[position * self.channels..][..self.len];
        if self.len == S::F32_LANES { vectors::<S, 1>(values)[0][0] } else { simd.partial_load_f32s(values) }
    }

    #[inline(always)]
    fn positions(self) -> usize {
        self.x.len().div_ceil(self.channels)
    }

    #[inline(always)]
    fn max<S: Simd>(self, simd: S) -> S::f32s {
        let mut max = self.at(simd, 0);
        for position in 1..self.positions() {
            let x = self.at(simd, position);
            let is_nan = simd.not_m32s(simd.equal_f32s(x, x));
            max = simd.select_f32s(simd.or_m32s(simd.greater_than_f32s(x, max), is_nan), x, max);
        }
        max
    }

    #[inline(always)]
    fn sum<S: Simd>(self, simd: S) -> S::f32s {
        let positions = self.positions();
        if positions < LANES {
            let mut sum = simd.splat_f32s(-0.);
            for position in 0..positions {
                sum = simd.add_f32s(sum, self.at(simd, position));
            }
            return sum;
        }
        let mut sums = [simd.splat_f32s(0.); LANES];
        for position in 0..positions {
            let sum = &mut sums[position % LANES];
            *sum = simd.add_f32s(*sum, self.at(simd, position));
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                sums[i] = simd.add_f32s(sums[i], sums[i + width]);
            }
            width /= 2;
        }
        sums[0]
    }
}
