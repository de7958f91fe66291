//! The depthwise convolution of some rows of a [`FeatureMap`]: `y[p] = Σ_taps w[tap] · x[stride·p + tap]`, where `w`, `x` and
//! `y` are vectors over channels. A vector of a narrow map holds two positions, and the weights are there twice.
//!
//! The accumulators of up to six vectors stay in registers while the sum runs over the taps. With a load for each product the
//! kernel is bound by the load units. Where vectors are whole blocks, which means 32 registers, and the kernel is 3 wide, what
//! neighbouring positions share in a row is loaded once.

use std::ops::Range;

use pulp::Simd;

use super::feature_map::FeatureMap;
use crate::{
    cpu::simd::{BLOCK_WIDTH, Kernel, Row, add, multiply_add, relu, vectors, vectors_mut},
    window::Window,
};

/// A depthwise convolution prepared for a feature map.
pub struct Depthwise {
    input: FeatureMap,
    kernel: [usize; 2],
    stride: [usize; 2],
    /// The width of the output.
    width: usize,
    /// For each tap, where it reads relative to the first one.
    taps: Vec<usize>,
    /// (block of channels, tap, [`BLOCK_WIDTH`])
    weight: Vec<f32>,
    /// (block of channels, [`BLOCK_WIDTH`])
    bias: Vec<f32>,
    relu: bool,
}

impl Depthwise {
    /// Takes weights (C, kh, kw), bias (C), and the width of the output.
    pub fn new(
        input: &FeatureMap,
        window: &Window,
        width: usize,
        (weight, bias, relu): (&[f32], Option<&[f32]>, bool),
    ) -> Self {
        let rows = (0..window.kernel[0]).map(|y| y * input.row_len());
        let taps: Vec<usize> = rows.flat_map(|row| (0..window.kernel[1]).map(move |x| row + x * input.pitch)).collect();
        let bias = input.lanes(|channel| bias.map_or(0., |bias| bias[channel]));
        let of_taps: Vec<_> =
            (0..taps.len()).map(|tap| input.lanes(|channel| weight[channel * taps.len() + tap])).collect();
        let blocks = (0..bias.len()).step_by(BLOCK_WIDTH);
        let weight = blocks
            .flat_map(|first| of_taps.iter().flat_map(move |lanes| &lanes[first..][..BLOCK_WIDTH]))
            .copied()
            .collect();
        let Window { kernel, stride, .. } = *window;
        Self { input: input.clone(), kernel, stride, width, taps, weight, bias, relu }
    }

    /// Returns the distance of neighbouring positions in input and output.
    pub fn pitch(&self) -> usize {
        self.input.pitch
    }

    /// Returns the number of values of a row of the output, which has the pitch of the input and no border.
    pub fn row_len(&self) -> usize {
        self.width * self.input.pitch
    }
}

/// Computes some rows of the output of a depthwise convolution.
pub struct DepthwiseRows<'a> {
    pub depthwise: &'a Depthwise,
    /// The feature map.
    pub x: &'a [f32],
    /// The rows of the output.
    pub rows: Range<usize>,
    /// [`Depthwise::row_len`] values for each row.
    pub y: &'a mut [f32],
}

impl Kernel for DepthwiseRows<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Depthwise { input, kernel, stride, .. } = self.depthwise;
        // Vectors of a narrow map hold two positions.
        let positions = if input.is_narrow() { 2 } else { stride[1] };
        match positions {
            1 if V == 1 && kernel[1] == 3 => self.rows::<S, V, 1>(simd),
            2 if V == 1 && kernel[1] == 3 => self.rows::<S, V, 2>(simd),
            _ => self.rows::<S, V, 0>(simd),
        }
    }
}

impl DepthwiseRows<'_> {
    /// Computes the rows. `SHARED` is the distance in positions of two vectors of the output in the input, if values of a row
    /// that they share are to be loaded once, or else 0.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const SHARED: usize>(self, simd: S) {
        let Self { depthwise, x, rows, y } = self;
        let Depthwise { input, stride, width, taps, .. } = depthwise;
        // The number of vectors in a row of one block of channels, and their distances in input and output.
        let (vectors, steps) = if input.is_narrow() {
            (width / 2, [BLOCK_WIDTH; 2])
        } else {
            (*width, [stride[1] * input.pitch, input.pitch])
        };
        let furthest_tap = taps.iter().copied().max().unwrap_or(0);
        for block in 0..depthwise.bias.len() / BLOCK_WIDTH {
            for (i, row) in rows.clone().enumerate() {
                let start = row * stride[0] * input.row_len() + block * BLOCK_WIDTH;
                let (x, y) = (&x[start..], &mut y[i * depthwise.row_len() + block * BLOCK_WIDTH..]);
                assert!((vectors - 1) * steps[0] + furthest_tap + BLOCK_WIDTH <= x.len());
                let mut done = 0;
                while done < vectors {
                    let (x, y) = (&x[done * steps[0]..], &mut y[done * steps[1]..]);
                    // SAFETY: the assertion above.
                    done += unsafe {
                        match vectors - done {
                            1 | 2 => depthwise.write::<S, V, SHARED, 1>(simd, block, x, y, steps),
                            3..6 => depthwise.write::<S, V, SHARED, 3>(simd, block, x, y, steps),
                            _ => depthwise.write::<S, V, SHARED, 6>(simd, block, x, y, steps),
                        }
                    };
                }
            }
        }
    }
}

impl Depthwise {
    /// Writes `B` vectors of a block of channels and returns their number. `steps` are the distances of two of them in `x`
    /// and in `y`. For `SHARED` see [`DepthwiseRows::rows`].
    ///
    /// # Safety
    /// All taps of all `B` vectors lie within `x`.
    #[inline(always)]
    unsafe fn write<S: Simd, const V: usize, const SHARED: usize, const B: usize>(
        &self,
        simd: S,
        block: usize,
        x: &[f32],
        y: &mut [f32],
        steps: [usize; 2],
    ) -> usize {
        let weight = vectors::<S, V>(&self.weight[block * self.taps.len() * BLOCK_WIDTH..]);
        let mut sums = [[simd.splat_f32s(0.); V]; B];
        if SHARED > 0 {
            for (taps, weight) in self.taps.chunks_exact(3).zip(weight.chunks_exact(3)) {
                let mut row = [[simd.splat_f32s(0.); V]; 13];
                for (i, value) in row[..(B - 1) * SHARED + 3].iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    *value = unsafe { load::<S, V>(x, taps[0] + i * self.input.pitch) };
                }
                for (tap, weight) in weight.iter().enumerate() {
                    for (b, sum) in sums.iter_mut().enumerate() {
                        *sum = multiply_add::<S, V>(simd, *weight, row[b * SHARED + tap], *sum);
                    }
                }
            }
        } else {
            for (&tap, &weight) in self.taps.iter().zip(weight) {
                for (b, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    let x = unsafe { load::<S, V>(x, b * steps[0] + tap) };
                    *sum = multiply_add::<S, V>(simd, weight, x, *sum);
                }
            }
        }
        let bias = vectors::<S, V>(&self.bias[block * BLOCK_WIDTH..])[0];
        for (b, sum) in sums.into_iter().enumerate() {
            let sum = add::<S, V>(simd, sum, bias);
            let sum = if self.relu { relu::<S, V>(simd, sum) } else { sum };
            vectors_mut::<S, V>(&mut y[b * steps[1]..][..BLOCK_WIDTH])[0] = sum;
        }
        B
    }
}

/// Loads a row of a block.
///
/// # Safety
/// It lies within `values`.
#[inline(always)]
unsafe fn load<S: Simd, const V: usize>(values: &[f32], start: usize) -> Row<S, V> {
    // SAFETY: the caller's promise.
    vectors::<S, V>(unsafe { values.get_unchecked(start..start + BLOCK_WIDTH) })[0]
}
