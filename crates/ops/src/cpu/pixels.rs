//! Loops over channels-last feature maps, (H, W, C), with coefficients for each channel. Functions of single values run along all
//! values of a map in whole vectors, whatever the number of channels: coefficients are repeated until they fill these. Sums over
//! the pixels run along a vector of channels.

use pulp::Simd;

use super::{
    elementwise::{Function, at, partial, split},
    map_order::MapOrder,
    reduce::LANES,
    simd::BLOCK_WIDTH,
};

/// The number of values from which on coefficients need not be repeated any more.
const LONG_ROW: usize = 8 * BLOCK_WIDTH;

/// Coefficients of the channels of a feature map.
pub struct PerChannel<const N: usize> {
    of_channels: Vec<[f32; N]>,
    /// For maps that are channels last, each coefficient, repeated for every value of a few pixels; empty otherwise.
    rows: Vec<f32>,
}

impl<const N: usize> PerChannel<N> {
    /// Takes the coefficients of each channel of maps in this order.
    pub fn new(of_channels: Vec<[f32; N]>, order: MapOrder) -> Self {
        let row = if order == MapOrder::Pixels { row_len(of_channels.len()) } else { 0 };
        let mut rows = vec![0f32; N * row];
        for i in 0..N {
            for pixel in rows[i * row..][..row].chunks_exact_mut(of_channels.len().max(1)) {
                pixel.iter_mut().zip(&of_channels).for_each(|(value, coefficients)| *value = coefficients[i]);
            }
        }
        Self { of_channels, rows }
    }

    /// Returns the coefficients of one channel.
    pub fn of_channel(&self, channel: usize) -> [f32; N] {
        self.of_channels[channel]
    }

    /// Returns the number of channels.
    pub fn channels(&self) -> usize {
        self.of_channels.len()
    }

    /// Returns the order of the maps.
    pub fn order(&self) -> MapOrder {
        if self.rows.is_empty() { MapOrder::Planes } else { MapOrder::Pixels }
    }

    /// Returns each coefficient, repeated for every value of a few pixels, for maps that are channels last.
    pub fn rows(&self) -> [&[f32]; N] {
        let row = self.rows.len() / N;
        std::array::from_fn(|i| &self.rows[i * row..][..row])
    }
}

/// Returns the number of values of a few pixels that fill whole vectors: a multiple of the number of channels and of
/// [`BLOCK_WIDTH`].
fn row_len(channels: usize) -> usize {
    let pixels = BLOCK_WIDTH >> channels.trailing_zeros().min(BLOCK_WIDTH.ilog2());
    let mut len = pixels * channels.max(1);
    while len < LONG_ROW {
        len *= 2;
    }
    len
}

/// Writes `f` of the values of maps that are as long as `out`. `coefficients` are as [`PerChannel::rows`] returns them.
#[inline(always)]
pub fn map_pixels<S: Simd, const INPUTS: usize, const COEFFICIENTS: usize>(
    simd: S,
    inputs: [&[f32]; INPUTS],
    coefficients: [&[f32]; COEFFICIENTS],
    out: &mut [f32],
    f: &impl Function<INPUTS, COEFFICIENTS, 1>,
) {
    let row = coefficients[0].len();
    for (i, out) in out.chunks_mut(row).enumerate() {
        let inputs = parts(inputs, i * row, out.len());
        let coefficients = split::<S, COEFFICIENTS>(coefficients, row / S::F32_LANES, 0).0;
        let (out, out_rest) = S::as_mut_simd_f32s(out);
        let (inputs, rests) = split::<S, INPUTS>(inputs, out.len(), out_rest.len());
        for (i, out) in out.iter_mut().enumerate() {
            let coefficients = at::<S, COEFFICIENTS>(simd, coefficients, i);
            [*out] = f.apply(simd, at::<S, INPUTS>(simd, inputs, i), coefficients);
        }
        if !out_rest.is_empty() {
            let coefficients = at::<S, COEFFICIENTS>(simd, coefficients, out.len());
            let [last] = f.apply(simd, partial(simd, rests), coefficients);
            simd.partial_store_f32s(out_rest, last);
        }
    }
}

/// Computes sums over the pixels of a map of `channels` channels for a vector of channels from `first` on, each of `f` of the
/// values of a channel, with the bits of [`sums_of`](super::reduce::sums_of) over the planes of the channels.
#[inline(always)]
pub fn sum_pixels<S: Simd, const INPUTS: usize, const COEFFICIENTS: usize, const SUMS: usize>(
    simd: S,
    (channels, first): (usize, usize),
    inputs: [&[f32]; INPUTS],
    coefficients: [S::f32s; COEFFICIENTS],
    f: impl Function<INPUTS, COEFFICIENTS, SUMS>,
) -> [S::f32s; SUMS] {
    let (pixels, count) = (inputs[0].len() / channels, S::F32_LANES.min(channels - first));
    let mut lanes = [[simd.splat_f32s(0.); LANES]; SUMS];
    // The sums of half of the lanes fit the registers.
    for half in 0..2 {
        let mut sums = [[simd.splat_f32s(0.); LANES / 2]; SUMS];
        let mut pixel = half * (LANES / 2);
        while pixel < pixels {
            let of_pixels = parts(inputs, pixel * channels, channels * (pixels - pixel).min(LANES / 2));
            if count == S::F32_LANES && pixel + LANES / 2 <= pixels {
                // A loop of fixed length, whose sums stay in their registers.
                for lane in 0..LANES / 2 {
                    let values = split::<S, INPUTS>(parts(of_pixels, lane * channels + first, S::F32_LANES), 1, 0).0;
                    let terms = f.apply(simd, at::<S, INPUTS>(simd, values, 0), coefficients);
                    for (sums, term) in sums.iter_mut().zip(terms) {
                        sums[lane] = simd.add_f32s(sums[lane], term);
                    }
                }
            } else {
                for lane in 0..of_pixels[0].len() / channels {
                    let values = partial(simd, parts(of_pixels, lane * channels + first, count));
                    for (sums, term) in sums.iter_mut().zip(f.apply(simd, values, coefficients)) {
                        sums[lane] = simd.add_f32s(sums[lane], term);
                    }
                }
            }
            pixel += LANES;
        }
        for (lanes, sums) in lanes.iter_mut().zip(sums) {
            lanes[half * (LANES / 2)..][..LANES / 2].copy_from_slice(&sums);
        }
    }
    let mut totals = [simd.splat_f32s(0.); SUMS];
    for (total, mut lanes) in totals.iter_mut().zip(lanes) {
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                lanes[lane] = simd.add_f32s(lanes[lane], lanes[lane + width]);
            }
            width /= 2;
        }
        *total = lanes[0];
    }
    totals
}

/// Returns the coefficients of the channels from `first` on as vectors.
#[inline(always)]
pub fn coefficients_at<S: Simd, const N: usize>(simd: S, coefficients: &PerChannel<N>, first: usize) -> [S::f32s; N] {
    let count = S::F32_LANES.min(coefficients.channels() - first);
    partial(simd, parts(coefficients.rows(), first, count))
}

/// Returns `len` values of each slice.
#[inline(always)]
pub fn parts<const N: usize>(mut slices: [&[f32]; N], start: usize, len: usize) -> [&[f32]; N] {
    for slice in &mut slices {
        *slice = &slice[start..][..len];
    }
    slices
}
