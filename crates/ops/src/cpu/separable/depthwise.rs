//! The depthwise convolution of some rows of a [`FeatureMap`]: `y[p] = Σ_taps w[tap] · x[stride·p + tap]`, where `w`, `x` and
//! `y` are vectors over channels. A vector of a narrow map holds two positions, and the weights are there twice.
//!
//! The accumulators of up to six vectors stay in registers while the sum runs over the taps. With a load for each product the
//! kernel is bound by the load units. Where vectors are whole blocks, which means 32 registers, and the kernel is 3×3, its
//! weights stay in registers too, and what neighbouring positions share in a row is loaded once.

use std::ops::Range;

use pulp::Simd;

use super::{columns::least, feature_map::FeatureMap};
use crate::{
    cpu::simd::{BLOCK_WIDTH, Kernel, Row, add, at_least, multiply_add, vectors, vectors_mut},
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
    /// The least result.
    least: f32,
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
        Self { input: input.clone(), kernel, stride, width, taps, weight, bias, least: least(relu) }
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
            1 if V == 1 && *kernel == [3, 3] => self.rows::<S, V, 1>(simd),
            2 if V == 1 && *kernel == [3, 3] => self.rows::<S, V, 2>(simd),
            _ => self.rows::<S, V, 0>(simd),
        }
    }
}

impl DepthwiseRows<'_> {
    /// Computes the rows. `SHARED` is 0, or for a 3×3 kernel the distance in positions of two vectors of the output in the input.
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
            let block = Block::<S, V>::new(simd, depthwise, block);
            for (i, row) in rows.clone().enumerate() {
                let start = row * stride[0] * input.row_len() + block.first;
                let (x, y) = (&x[start..], &mut y[i * depthwise.row_len() + block.first..]);
                assert!((vectors - 1) * steps[0] + furthest_tap + BLOCK_WIDTH <= x.len());
                assert!((vectors - 1) * steps[1] + BLOCK_WIDTH <= y.len());
                let mut done = 0;
                while done < vectors {
                    let (x, y) = (&x[done * steps[0]..], &mut y[done * steps[1]..]);
                    // SAFETY: the assertions above.
                    done += unsafe {
                        match vectors - done {
                            1 | 2 => block.write::<SHARED, 1>(simd, x, y, steps),
                            3..6 => block.write::<SHARED, 3>(simd, x, y, steps),
                            _ => block.write::<SHARED, 6>(simd, x, y, steps),
                        }
                    };
                }
            }
        }
    }
}

/// The weights of a block of channels.
struct Block<'a, S: Simd, const V: usize> {
    /// The first of its channels.
    first: usize,
    taps: &'a [usize],
    /// The distance of the rows that a 3×3 kernel reads, and of two positions.
    steps: [usize; 2],
    /// One for each tap.
    weight: &'a [Row<S, V>],
    /// The same for a 3×3 kernel.
    weight_3x3: [Row<S, V>; 9],
    bias: Row<S, V>,
    least: S::f32s,
}

impl<'a, S: Simd, const V: usize> Block<'a, S, V> {
    #[inline(always)]
    fn new(simd: S, depthwise: &'a Depthwise, block: usize) -> Self {
        let Depthwise { input, taps, weight, bias, least, .. } = depthwise;
        let weight = &vectors::<S, V>(&weight[block * taps.len() * BLOCK_WIDTH..])[..taps.len()];
        let mut weight_3x3 = [[simd.splat_f32s(0.); V]; 9];
        for (to, from) in weight_3x3.iter_mut().zip(weight) {
            *to = *from;
        }
        let bias = vectors::<S, V>(&bias[block * BLOCK_WIDTH..])[0];
        let steps = [input.row_len(), input.pitch];
        let least = simd.splat_f32s(*least);
        Self { first: block * BLOCK_WIDTH, taps, steps, weight, weight_3x3, bias, least }
    }

    /// Writes `B` vectors and returns their number. `steps` are the distances of two of them in `x` and in `y`. For `SHARED` see
    /// [`DepthwiseRows::rows`].
    ///
    /// # Safety
    /// All `B` vectors lie within `y`, and all their taps within `x`.
    #[inline(always)]
    unsafe fn write<const SHARED: usize, const B: usize>(
        &self,
        simd: S,
        x: &[f32],
        y: &mut [f32],
        steps: [usize; 2],
    ) -> usize {
        let mut sums = [[simd.splat_f32s(0.); V]; B];
        if SHARED > 0 {
            for (i, weight) in self.weight_3x3.as_chunks::<3>().0.iter().enumerate() {
                let mut row = [[simd.splat_f32s(0.); V]; 13];
                for (j, value) in row[..(B - 1) * SHARED + 3].iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    *value = unsafe { load::<S, V>(x, i * self.steps[0] + j * self.steps[1]) };
                }
                for (tap, weight) in weight.iter().enumerate() {
                    for (b, sum) in sums.iter_mut().enumerate() {
                        *sum = multiply_add::<S, V>(simd, *weight, row[b * SHARED + tap], *sum);
                    }
                }
            }
        } else {
            for (&tap, &weight) in self.taps.iter().zip(self.weight) {
                for (b, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    let x = unsafe { load::<S, V>(x, b * steps[0] + tap) };
                    *sum = multiply_add::<S, V>(simd, weight, x, *sum);
                }
            }
        }
        for (b, sum) in sums.into_iter().enumerate() {
            let sum = at_least::<S, V>(simd, add::<S, V>(simd, sum, self.bias), self.least);
            // SAFETY: the caller's promise.
            vectors_mut::<S, V>(unsafe { y.get_unchecked_mut(b * steps[1]..b * steps[1] + BLOCK_WIDTH) })[0] = sum;
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
