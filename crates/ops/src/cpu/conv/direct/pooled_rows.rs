//! `y = patches · Wᵀ` for one input channel, few output channels and 2×2 max pooling: instead of the channels, the vectors run along
//! the positions of a row, which fill them whatever the number of channels. With AVX-512 only; the sums have the order of
//! the kernel for half a block of channels.

use std::ops::Range;

use pulp::Simd;

use crate::cpu::{
    conv::{
        channels_last::{rows_to_pixels, rows_to_planes},
        output::OutputImage,
        shape::ConvShape,
    },
    epilogue::{relu_max_of_four, store_winners},
    map_order::MapOrder,
    planes::deinterleave,
    simd::{BLOCK_WIDTH, CacheAligned, HALF_BLOCK, Kernel, vectors, vectors_mut},
    transpose::transpose,
};

/// The number of columns of the output that are computed at a time. A row of them is two vectors.
const COLUMNS: usize = 2 * BLOCK_WIDTH;

/// The number of output channels that are computed at a time. Their sums of two rows, each split into two, take 24 registers.
const CHANNELS: usize = 3;

/// The number of values behind the image that the kernel may read; they have no influence on the results.
pub const BEHIND: usize = COLUMNS;

/// Returns whether this kernel can compute the convolution.
pub fn supports(s: &ConvShape) -> bool {
    s.in_channels == 1 && s.out_channels <= HALF_BLOCK && s.is_pooled() && s.window.stride == [1, 1]
}

/// Computes rows of the results of one image.
pub struct PooledRowsKernel<'a> {
    pub s: &'a ConvShape,
    /// The rows of results.
    pub rows: Range<usize>,
    /// Padded, with [`BEHIND`] values behind it.
    pub image: &'a [f32],
    /// The number of values of a row of the image.
    pub row_len: usize,
    /// Where the values of a patch lie, relative to its start.
    pub taps: &'a [usize],
    /// (value of a patch, [`HALF_BLOCK`] output channels)
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub result: OutputImage<'a>,
}

/// The sums of [`CHANNELS`] output channels at two rows of [`COLUMNS`] positions.
type Sums<S> = [[[<S as Simd>::f32s; 2]; 2]; CHANNELS];

impl Kernel for PooledRowsKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        assert_eq!(S::F32_LANES, BLOCK_WIDTH);
        let [height, width] = self.s.result();
        for row in self.rows.clone() {
            for first in (0..width).step_by(BLOCK_WIDTH) {
                let (mut best, mut winners) =
                    (CacheAligned([0.; HALF_BLOCK * BLOCK_WIDTH]), CacheAligned([0.; HALF_BLOCK * BLOCK_WIDTH]));
                for channel in (0..self.s.out_channels).step_by(CHANNELS) {
                    // The last three of a block at most, so that there are weights for all of them.
                    let channel = channel.min(HALF_BLOCK - CHANNELS);
                    let sums = self.sums(simd, 2 * row * self.row_len + 2 * first, channel);
                    for (channel, sums) in (channel..self.s.out_channels).zip(sums) {
                        let shift = self.bias.map_or(-0., |bias| bias[channel]);
                        let [of_best, of_winners] = pool(simd, sums, shift);
                        vectors_mut::<S, 1>(&mut best.0)[channel][0] = of_best;
                        vectors_mut::<S, 1>(&mut winners.0)[channel][0] = of_winners;
                    }
                }
                let results = row * width + first..row * width + width.min(first + BLOCK_WIDTH);
                self.write(&best.0, &winners.0, results, height * width);
            }
        }
    }
}

impl PooledRowsKernel<'_> {
    /// Computes the outputs of some channels at the positions from `start` on, without bias.
    #[inline(always)]
    fn sums<S: Simd>(&self, simd: S, start: usize, channel: usize) -> Sums<S> {
        let mut even: Sums<S> = [[[simd.splat_f32s(0.); 2]; 2]; CHANNELS];
        let mut odd = even;
        let (pairs, last) = self.taps.as_chunks::<2>();
        for (i, pair) in pairs.iter().enumerate() {
            self.add_tap(simd, &mut even, start + pair[0], 2 * i * HALF_BLOCK + channel);
            self.add_tap(simd, &mut odd, start + pair[1], (2 * i + 1) * HALF_BLOCK + channel);
        }
        for (sum, odd) in even.as_flattened_mut().as_flattened_mut().iter_mut().zip(odd.as_flattened().as_flattened()) {
            *sum = simd.add_f32s(*sum, *odd);
        }
        for tap in last {
            self.add_tap(simd, &mut even, start + tap, 2 * pairs.len() * HALF_BLOCK + channel);
        }
        even
    }

    /// Adds the products of a value of the patches, which lies at `start` for the first position, with the weights from number
    /// `weight` on.
    #[inline(always)]
    fn add_tap<S: Simd>(&self, simd: S, sums: &mut Sums<S>, start: usize, weight: usize) {
        let lines = [&self.image[start..][..COLUMNS], &self.image[start + self.row_len..][..COLUMNS]];
        // The weights of channels that do not exist are zero, and their sums are not used.
        for (sums, &weight) in sums.iter_mut().zip(&self.weight[weight..][..CHANNELS]) {
            let weight = simd.splat_f32s(weight);
            for (sums, line) in sums.iter_mut().zip(lines) {
                for (sum, &[x]) in sums.iter_mut().zip(vectors::<S, 1>(line)) {
                    *sum = simd.mul_add_e_f32s(x, weight, *sum);
                }
            }
        }
    }

    /// Writes results and winners, ([`HALF_BLOCK`] channels, [`BLOCK_WIDTH`] results); `plane` results make up a channel.
    #[inline(always)]
    fn write(&mut self, best: &[f32], winners: &[f32], results: Range<usize>, plane: usize) {
        let (channels, OutputImage { y, first_result, winners: of_image }) = (self.s.out_channels, &mut self.result);
        let mut rows = CacheAligned([0.; BLOCK_WIDTH * BLOCK_WIDTH]);
        transpose(best, BLOCK_WIDTH, &mut rows.0, BLOCK_WIDTH, [HALF_BLOCK, BLOCK_WIDTH]);
        let of_results = &rows.0[..results.len() * BLOCK_WIDTH];
        match self.s.result_order {
            MapOrder::Planes => rows_to_planes(of_results, BLOCK_WIDTH, y, plane, results.clone()),
            MapOrder::Pixels => {
                let y = &mut y[(results.start - *first_result) * channels..(results.end - *first_result) * channels];
                rows_to_pixels(of_results, BLOCK_WIDTH, y, channels, channels);
            }
        }
        let Some(of_image) = of_image else { return };
        transpose(winners, BLOCK_WIDTH, &mut rows.0, BLOCK_WIDTH, [HALF_BLOCK, BLOCK_WIDTH]);
        store_winners(&rows.0, &mut of_image[results.start * BLOCK_WIDTH..results.end * BLOCK_WIDTH]);
    }
}

/// Applies bias, ReLU and max pooling to the outputs of a channel at two rows of positions: the results and the winners.
#[inline(always)]
fn pool<S: Simd>(simd: S, sums: [[S::f32s; 2]; 2], shift: f32) -> [S::f32s; 2] {
    let mut window = [simd.splat_f32s(0.); 4];
    for (y, line) in sums.iter().enumerate() {
        let (mut values, mut halves) = (CacheAligned([0.; COLUMNS]), CacheAligned([0.; COLUMNS]));
        for (values, line) in vectors_mut::<S, 1>(&mut values.0).iter_mut().zip(line) {
            *values = [simd.add_f32s(*line, simd.splat_f32s(shift))];
        }
        let (even, odd) = halves.0.split_at_mut(BLOCK_WIDTH);
        deinterleave(&values.0, even, odd);
        let halves = vectors::<S, 1>(&halves.0);
        (window[2 * y], window[2 * y + 1]) = (halves[0][0], halves[1][0]);
    }
    relu_max_of_four(simd, window)
}
