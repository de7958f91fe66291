//! The loops of a depthwise convolution over channels-last feature maps. Vectors run over channels, so the same bits come out
//! whatever their width.

use pulp::Simd;

use crate::cpu::simd::{HALF_BLOCK, Kernel, dispatch, dispatch_half, relu};

/// The number of neighbouring positions that are computed together, so that additions need not wait for each other and weights are
/// loaded once.
const POSITIONS: usize = 4;

/// A kernel that computes one vector of channels after the other.
pub trait ChannelKernel {
    /// Returns the number of channels.
    fn channels(&self) -> usize;

    /// Computes the vector of channels from `first` on, which is whole if `WHOLE`. Implementations are `#[inline(always)]`.
    fn channels_from<S: Simd, const WHOLE: bool>(&mut self, simd: S, first: usize);
}

/// Runs a kernel with vectors that are no wider than its number of channels needs.
pub fn dispatch_channels(kernel: impl ChannelKernel) {
    struct AllChannels<K>(K);
    impl<K: ChannelKernel> Kernel for AllChannels<K> {
        #[inline(always)]
        fn run<S: Simd, const V: usize>(mut self, simd: S) {
            let channels = self.0.channels();
            for first in (0..channels).step_by(S::F32_LANES) {
                if first + S::F32_LANES <= channels {
                    self.0.channels_from::<S, true>(simd, first);
                } else {
                    self.0.channels_from::<S, false>(simd, first);
                }
            }
        }
    }
    if kernel.channels() <= HALF_BLOCK { dispatch_half(AllChannels(kernel)) } else { dispatch(AllChannels(kernel)) }
}

/// Positions of a channels-last map, in rows.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// Where the first position starts.
    pub start: usize,
    /// The distances of rows, and of positions of a row.
    pub steps: [usize; 2],
}

impl Places {
    /// Returns where a position starts.
    fn at(&self, row: usize, column: usize) -> usize {
        self.start + row * self.steps[0] + column * self.steps[1]
    }
}

/// Computes `y[p] = Σ_taps w[tap] · x[p + tap] + bias` at some positions, then ReLU if `relu`.
pub struct Correlation<'a> {
    pub channels: usize,
    /// The numbers of rows and columns of positions.
    pub size: [usize; 2],
    /// For each tap, where it reads relative to the position, and the number of its weight.
    pub taps: &'a [(usize, usize)],
    /// (weight, C)
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
    pub x: &'a [f32],
    pub x_places: Places,
    pub y: &'a mut [f32],
    pub y_places: Places,
}

impl ChannelKernel for Correlation<'_> {
    fn channels(&self) -> usize {
        self.channels
    }

    #[inline(always)]
    fn channels_from<S: Simd, const WHOLE: bool>(&mut self, simd: S, first: usize) {
        let [rows, columns] = self.size;
        for row in 0..rows {
            let mut column = 0;
            while column + POSITIONS <= columns {
                self.positions::<S, WHOLE, POSITIONS>(simd, first, row, column);
                column += POSITIONS;
            }
            while column < columns {
                self.positions::<S, WHOLE, 1>(simd, first, row, column);
                column += 1;
            }
        }
    }
}

impl Correlation<'_> {
    /// Computes `N` positions of a row.
    #[inline(always)]
    fn positions<S: Simd, const WHOLE: bool, const N: usize>(
        &mut self,
        simd: S,
        first: usize,
        row: usize,
        column: usize,
    ) {
        let (x, step) = (&self.x[self.x_places.at(row, column) + first..], self.x_places.steps[1]);
        let count = S::F32_LANES.min(self.channels - first);
        let mut sums = [simd.splat_f32s(0.); N];
        for &(tap, weight) in self.taps {
            let weight = load::<S, WHOLE>(simd, &self.weight[weight * self.channels + first..], count);
            let x = &x[tap..];
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = simd.mul_add_e_f32s(weight, load::<S, WHOLE>(simd, &x[i * step..], count), *sum);
            }
        }
        let (start, step) = (self.y_places.at(row, column) + first, self.y_places.steps[1]);
        for (i, mut sum) in sums.into_iter().enumerate() {
            if let Some(bias) = self.bias {
                sum = simd.add_f32s(sum, load::<S, WHOLE>(simd, &bias[first..], count));
            }
            if self.relu {
                [sum] = relu::<S, 1>(simd, [sum]);
            }
            store::<S, WHOLE>(simd, sum, &mut self.y[start + i * step..], count);
        }
    }
}

/// Adds `Σ_p x[p + tap] · dy[p]` to the gradient of each weight. The sum of each row of positions is computed first.
pub struct WeightGradient<'a> {
    pub channels: usize,
    /// The numbers of rows and columns of positions.
    pub size: [usize; 2],
    /// For each weight, where its tap reads relative to the position.
    pub taps: &'a [usize],
    pub x: &'a [f32],
    pub x_places: Places,
    pub dy: &'a [f32],
    pub dy_places: Places,
    /// (weight, C)
    pub dw: &'a mut [f32],
}

impl ChannelKernel for WeightGradient<'_> {
    fn channels(&self) -> usize {
        self.channels
    }

    #[inline(always)]
    fn channels_from<S: Simd, const WHOLE: bool>(&mut self, simd: S, first: usize) {
        let mut tap = 0;
        while tap < self.taps.len() {
            tap += match self.taps.len() - tap {
                9.. => self.taps_from::<S, WHOLE, 9>(simd, first, tap),
                3.. => self.taps_from::<S, WHOLE, 3>(simd, first, tap),
                _ => self.taps_from::<S, WHOLE, 1>(simd, first, tap),
            };
        }
    }
}

impl WeightGradient<'_> {
    /// Computes `N` taps and returns their number.
    #[inline(always)]
    fn taps_from<S: Simd, const WHOLE: bool, const N: usize>(&mut self, simd: S, first: usize, tap: usize) -> usize {
        let count = S::F32_LANES.min(self.channels - first);
        let mut taps = [0; N];
        taps.copy_from_slice(&self.taps[tap..][..N]);
        let mut total = [simd.splat_f32s(0.); N];
        for row in 0..self.size[0] {
            let mut sums = [simd.splat_f32s(0.); N];
            let (x, dy) = (&self.x[self.x_places.at(row, 0) + first..], &self.dy[self.dy_places.at(row, 0) + first..]);
            for column in 0..self.size[1] {
                let dy = load::<S, WHOLE>(simd, &dy[column * self.dy_places.steps[1]..], count);
                let x = &x[column * self.x_places.steps[1]..];
                for (sum, tap) in sums.iter_mut().zip(taps) {
                    *sum = simd.mul_add_e_f32s(dy, load::<S, WHOLE>(simd, &x[tap..], count), *sum);
                }
            }
            for (total, sum) in total.iter_mut().zip(sums) {
                *total = simd.add_f32s(*total, sum);
            }
        }
        for (i, total) in total.into_iter().enumerate() {
            let dw = &mut self.dw[(tap + i) * self.channels + first..];
            let sum = simd.add_f32s(load::<S, WHOLE>(simd, dw, count), total);
            store::<S, WHOLE>(simd, sum, dw, count);
        }
        N
    }
}

/// Loads a vector of `count` channels, which is whole if `WHOLE`.
#[inline(always)]
fn load<S: Simd, const WHOLE: bool>(simd: S, values: &[f32], count: usize) -> S::f32s {
    if WHOLE { S::as_simd_f32s(&values[..S::F32_LANES]).0[0] } else { simd.partial_load_f32s(&values[..count]) }
}

/// Stores a vector of `count` channels, which is whole if `WHOLE`.
#[inline(always)]
fn store<S: Simd, const WHOLE: bool>(simd: S, vector: S::f32s, values: &mut [f32], count: usize) {
    if WHOLE {
        S::as_mut_simd_f32s(&mut values[..S::F32_LANES]).0[0] = vector;
    } else {
        simd.partial_store_f32s(&mut values[..count], vector);
    }
}
