//! The dense convolution of an image (C, H, W) that writes rows of a [`FeatureMap`]: `y[channel][p] = Σ_taps w[channel][tap] ·
//! x[tap][p]`, where `p` is a vector of neighbouring positions of a row, then bias and ReLU.
//!
//! An image has few channels, and so may the result; its rows are long. So vectors run along a row. The rows of the image that
//! a row of the output reads are first copied to lines with their padding, in which the columns that are a multiple of the
//! stride apart lie side by side. A register block of 8 channels × 3 vectors, on instruction sets with 16 registers of 4
//! channels × 2 vectors, is bound by its FMAs. It is transposed on its way to the map.

use std::ops::Range;

use pulp::Simd;

use super::{columns::Columns, feature_map::FeatureMap};
use crate::{
    cpu::{
        planes::deinterleave,
        prefetch::prefetch,
        simd::{BLOCK_WIDTH, HALF_BLOCK, Kernel, Row, add, at_least, vectors, vectors_mut},
        transpose::transpose,
    },
    window::Window,
};

/// The number of channels of a packed block of weights.
const CHANNELS: usize = HALF_BLOCK;
/// How many rows of the output before they are read rows of the image are prefetched. An image of a batch lies in memory,
/// and a row takes less time than reading from there.
const AHEAD: usize = 6;
/// The largest number of positions that are computed at a time.
const POSITIONS: usize = 3 * BLOCK_WIDTH;

/// A dense convolution prepared for images of one size.
pub struct Dense {
    /// (C, H, W)
    input: [usize; 3],
    window: Window,
    /// The distance of two lines, of which there is one for each column modulo the stride.
    line: usize,
    /// For each value of a patch, in the order of the weights (C, kh, kw), where the first position finds it in the lines.
    taps: Vec<usize>,
    /// In blocks of [`CHANNELS`].
    columns: Columns,
}

impl Dense {
    /// Takes weights (C_out, C, kh, kw), bias (C_out) and whether a ReLU follows, for a convolution that writes to `output`.
    pub fn new(input: [usize; 3], window: &Window, output: &FeatureMap, layer: (&[f32], Option<&[f32]>, bool)) -> Self {
        let Window { kernel, stride, padding } = *window;
        let reads = output.size[1].next_multiple_of(BLOCK_WIDTH) + (kernel[1] - 1) / stride[1];
        let line = reads.max((input[2] + padding[1]).div_ceil(stride[1]));
        let lines = (0..input[0] * kernel[0]).map(|row| row * stride[1]);
        let taps: Vec<usize> = lines
            .flat_map(|first| (0..kernel[1]).map(move |x| (first + x % stride[1]) * line + x / stride[1]))
            .collect();
        let columns = Columns::new(layer, taps.len(), CHANNELS, output.pitch);
        Self { input, window: *window, line, taps, columns }
    }

    /// Returns the numbers of values of the lines and of the results that [`DenseRows`] needs space for.
    pub fn scratch(&self) -> [usize; 2] {
        let lines = self.input[0] * self.window.kernel[0] * self.window.stride[1];
        [lines * self.line, self.columns.bias.len() * POSITIONS]
    }

    /// Copies what a row of the output reads to the lines, whose padding is zero.
    #[inline(always)]
    fn read(&self, x: &[f32], row: usize, lines: &mut [f32]) {
        let ([channels, height, width], Window { kernel, stride, padding }) = (self.input, &self.window);
        let mut rest = lines;
        for channel in 0..channels {
            for y in row * stride[0]..row * stride[0] + kernel[0] {
                let (lines, after) = rest.split_at_mut(stride[1] * self.line);
                rest = after;
                if y < padding[0] || y - padding[0] >= height {
                    lines.fill(0.);
                    continue;
                }
                let from = &x[(channel * height + y - padding[0]) * width..][..width];
                self.split(from, lines);
            }
        }
    }

    /// Copies a row of the image to its lines.
    #[inline(always)]
    fn split(&self, from: &[f32], lines: &mut [f32]) {
        let (width, stride, padding) = (from.len(), self.window.stride[1], self.window.padding[1]);
        match stride {
            1 => lines[padding..][..width].copy_from_slice(from),
            2 => {
                let (even, odd) = lines.split_at_mut(self.line);
                let (first, second) = if padding.is_multiple_of(2) { (even, odd) } else { (odd, even) };
                let (of_first, of_second) = (padding / 2, padding.div_ceil(2));
                deinterleave(from, &mut first[of_first..][..width.div_ceil(2)], &mut second[of_second..][..width / 2]);
            }
            _ => {
                for (x, &value) in (padding..).zip(from) {
                    lines[x % stride * self.line + x / stride] = value;
                }
            }
        }
    }
}

/// Computes some rows of a feature map.
pub struct DenseRows<'a> {
    pub dense: &'a Dense,
    /// The image.
    pub x: &'a [f32],
    /// Space for [`Dense::scratch`] values.
    pub scratch: [&'a mut [f32]; 2],
    pub output: &'a FeatureMap,
    /// The rows to compute.
    pub rows: Range<usize>,
    /// The map from the first position of these rows on.
    pub y: &'a mut [f32],
}

impl Kernel for DenseRows<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { dense, x, scratch: [lines, results], output, rows, y } = self;
        let (width, pitch) = (output.size[1], output.pitch);
        lines.fill(0.);
        for (i, row) in rows.enumerate() {
            dense.read(x, row, lines);
            dense.prefetch(x, row + AHEAD);
            let mut first = 0;
            while first < width {
                let count = POSITIONS.min(width - first);
                dense.positions::<S, V>(simd, &lines[first..], count, results);
                let y = &mut y[i * output.row_len() + first * pitch..];
                transpose(results, POSITIONS, y, pitch, [pitch, count]);
                first += count;
            }
        }
    }
}

impl Dense {
    /// Prefetches what a row of the output reads first.
    #[inline(always)]
    fn prefetch(&self, x: &[f32], row: usize) {
        let ([channels, height, width], stride) = (self.input, self.window.stride[0]);
        let rows = (row * stride).min(height)..((row + 1) * stride).min(height);
        for channel in 0..channels {
            prefetch(&x[(channel * height + rows.start) * width..(channel * height + rows.end) * width]);
        }
    }

    /// Computes all channels at some positions: results (channel, [`POSITIONS`]).
    #[inline(always)]
    fn positions<S: Simd, const V: usize>(&self, simd: S, lines: &[f32], count: usize, results: &mut [f32]) {
        let Columns { weight, bias, .. } = &self.columns;
        let blocks = weight.chunks_exact(self.taps.len() * CHANNELS).zip(bias.chunks_exact(CHANNELS));
        for ((weight, bias), results) in blocks.zip(results.chunks_exact_mut(CHANNELS * POSITIONS)) {
            match count.div_ceil(BLOCK_WIDTH) {
                vectors if V > 1 => {
                    for v in 0..vectors {
                        let (lines, results) = (&lines[v * BLOCK_WIDTH..], &mut results[v * BLOCK_WIDTH..]);
                        self.block::<S, V, 4, 1>(simd, lines, weight, bias, results);
                        self.block::<S, V, 4, 1>(simd, lines, &weight[4..], &bias[4..], &mut results[4 * POSITIONS..]);
                    }
                }
                1 => self.block::<S, V, CHANNELS, 1>(simd, lines, weight, bias, results),
                2 => self.block::<S, V, CHANNELS, 2>(simd, lines, weight, bias, results),
                _ => self.block::<S, V, CHANNELS, 3>(simd, lines, weight, bias, results),
            }
        }
    }

    /// Computes the first `C` channels of a block at `B` · [`BLOCK_WIDTH`] positions.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const C: usize, const B: usize>(
        &self,
        simd: S,
        lines: &[f32],
        weight: &[f32],
        bias: &[f32],
        results: &mut [f32],
    ) {
        let mut sums: [[Row<S, V>; B]; C] = [[[simd.splat_f32s(0.); V]; B]; C];
        for (&tap, weight) in self.taps.iter().zip(weight.chunks(CHANNELS)) {
            let x = &vectors::<S, V>(&lines[tap..][..B * BLOCK_WIDTH])[..B];
            let weight = &weight[..C];
            for c in 0..C {
                let weight = simd.splat_f32s(weight[c]);
                for b in 0..B {
                    for v in 0..V {
                        sums[c][b][v] = simd.mul_add_e_f32s(weight, x[b][v], sums[c][b][v]);
                    }
                }
            }
        }
        let least = simd.splat_f32s(self.columns.least);
        for c in 0..C {
            let bias = [simd.splat_f32s(bias[c]); V];
            let results = &mut vectors_mut::<S, V>(&mut results[c * POSITIONS..][..B * BLOCK_WIDTH])[..B];
            for b in 0..B {
                results[b] = at_least::<S, V>(simd, add::<S, V>(simd, sums[c][b], bias), least);
            }
        }
    }
}
