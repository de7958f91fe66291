//! The gradients of weights, and the gradient of the input of a depthwise convolution, on position-major maps.

use pulp::Simd;

use super::feature_map::FeatureMap;
use crate::cpu::simd::{BLOCK_WIDTH, Kernel, Row, vectors, vectors_mut};

/// Adds the gradient of the matrix of a 1×1 convolution: `dw[i][o] += Σ_positions x[p][i] · dy[p][o]`.
///
/// A register block of 8 × 2 vectors, on instruction sets with 16 registers of 4 × 1 vectors, stays in registers while the
/// sum runs over the positions, so the kernel is bound by the FMA units.
pub struct PointwiseGradient<'a> {
    pub x: &'a [f32],
    pub dy: &'a [f32],
    /// The distances of neighbouring positions in x and dy. The former is a multiple of 8, the latter of [`BLOCK_WIDTH`].
    pub pitches: [usize; 2],
    /// (pitch of x, pitch of dy)
    pub dw: &'a mut [f32],
}

impl Kernel for PointwiseGradient<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let [inputs, outputs] = self.pitches;
        let mut output = 0;
        while output < outputs {
            let is_pair = V == 1 && output + BLOCK_WIDTH < outputs;
            for input in (0..inputs).step_by(8) {
                if is_pair {
                    self.block::<S, V, 2, 8>(simd, input, output);
                } else if V == 1 {
                    self.block::<S, V, 1, 8>(simd, input, output);
                } else {
                    self.block::<S, V, 1, 4>(simd, input, output);
                    self.block::<S, V, 1, 4>(simd, input + 4, output);
                }
            }
            output += if is_pair { 2 * BLOCK_WIDTH } else { BLOCK_WIDTH };
        }
    }
}

impl PointwiseGradient<'_> {
    /// Adds the gradients of `R` inputs and `C` vectors of outputs.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const C: usize, const R: usize>(&mut self, simd: S, input: usize, output: usize) {
        let [inputs, outputs] = self.pitches;
        let mut sums = [[[simd.splat_f32s(0.); V]; C]; R];
        for (x, dy) in self.x.chunks_exact(inputs).zip(self.dy.chunks_exact(outputs)) {
            let x: &[f32; R] = x[input..].first_chunk().expect("R divides the pitch");
            let dy: &[Row<S, V>; C] = vectors::<S, V>(&dy[output..]).first_chunk().expect("C vectors");
            for (sums, x) in sums.iter_mut().zip(x) {
                let x = simd.splat_f32s(*x);
                for (sum, dy) in sums.as_flattened_mut().iter_mut().zip(dy.as_flattened()) {
                    *sum = simd.mul_add_e_f32s(x, *dy, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let dw = vectors_mut::<S, V>(&mut self.dw[(input + r) * outputs + output..]);
            for (dw, sum) in dw.iter_mut().zip(sums) {
                for v in 0..V {
                    dw[v] = simd.add_f32s(dw[v], sum[v]);
                }
            }
        }
    }
}

/// Where the taps of a depthwise convolution lie in its input.
#[derive(Clone, Copy)]
pub struct DepthwiseGeometry<'a> {
    pub input: &'a FeatureMap,
    /// The layout of the gradient of the output. It may have a border, which is not read.
    pub output: &'a FeatureMap,
    pub stride: [usize; 2],
    /// For each tap, where it reads relative to the first one.
    pub taps: &'a [usize],
}

impl DepthwiseGeometry<'_> {
    fn blocks(&self) -> usize {
        self.input.pitch.div_ceil(BLOCK_WIDTH)
    }

    /// Returns the number of vectors of a row and block, and their distances in input and output.
    fn vectors(&self) -> (usize, [usize; 2]) {
        let (pitch, width) = (self.input.pitch, self.output.size[1]);
        if pitch < BLOCK_WIDTH { (width / 2, [BLOCK_WIDTH; 2]) } else { (width, [self.stride[1] * pitch, pitch]) }
    }

    /// Returns where a row of the output and its first tap start.
    fn starts(&self, row: usize, block: usize) -> [usize; 2] {
        let input = row * self.stride[0] * self.input.row_len();
        [input, self.output.origin() + row * self.output.row_len()].map(|start| start + block * BLOCK_WIDTH)
    }
}

/// Adds the gradient of the weights of a depthwise convolution: `dw[tap] += Σ_positions x[stride·p + tap] · dy[p]`, vectors
/// over channels.
pub struct DepthwiseWeightGradient<'a> {
    pub geometry: DepthwiseGeometry<'a>,
    pub x: &'a [f32],
    pub dy: &'a [f32],
    /// (block of channels, tap, [`BLOCK_WIDTH`])
    pub dw: &'a mut [f32],
}

impl Kernel for DepthwiseWeightGradient<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let taps = self.geometry.taps.len();
        for block in 0..self.geometry.blocks() {
            let mut tap = 0;
            while tap < taps {
                tap += match taps - tap {
                    9.. if V == 1 => self.add::<S, V, 9>(simd, block, tap),
                    3.. => self.add::<S, V, 3>(simd, block, tap),
                    _ => self.add::<S, V, 1>(simd, block, tap),
                };
            }
        }
    }
}

impl DepthwiseWeightGradient<'_> {
    /// Adds the gradients of `T` taps and returns their number.
    #[inline(always)]
    fn add<S: Simd, const V: usize, const T: usize>(&mut self, simd: S, block: usize, first: usize) -> usize {
        let (geometry, x, dy) = (self.geometry, self.x, self.dy);
        let taps: &[usize; T] = geometry.taps[first..].first_chunk().expect("T taps");
        let furthest = taps.iter().fold(0, |furthest, tap| furthest.max(*tap));
        let (vectors_of_row, steps) = geometry.vectors();
        let dw = &mut self.dw[(block * geometry.taps.len() + first) * BLOCK_WIDTH..][..T * BLOCK_WIDTH];
        let dw: &mut [Row<S, V>; T] = vectors_mut::<S, V>(dw).first_chunk_mut().expect("T taps");
        let mut sums = *dw;
        for row in 0..geometry.output.size[0] {
            let [x_start, dy_start] = geometry.starts(row, block);
            let (x, dy) = (&x[x_start..], &dy[dy_start..]);
            assert!((vectors_of_row - 1) * steps[0] + furthest + BLOCK_WIDTH <= x.len());
            for i in 0..vectors_of_row {
                let dy = vectors::<S, V>(&dy[i * steps[1]..][..BLOCK_WIDTH])[0];
                for (sum, tap) in sums.iter_mut().zip(taps) {
                    let start = i * steps[0] + tap;
                    // SAFETY: the assertion above.
                    let x = vectors::<S, V>(unsafe { x.get_unchecked(start..start + BLOCK_WIDTH) })[0];
                    for v in 0..V {
                        sum[v] = simd.mul_add_e_f32s(x[v], dy[v], sum[v]);
                    }
                }
            }
        }
        *dw = sums;
        T
    }
}

/// Adds the gradient of the input of a depthwise convolution: `dx[stride·p + tap] += w[tap] · dy[p]`, vectors over channels.
/// It is for strides above 1; otherwise the gradient is a convolution.
pub struct DepthwiseInputGradient<'a> {
    pub geometry: DepthwiseGeometry<'a>,
    /// (block of channels, tap, [`BLOCK_WIDTH`])
    pub weight: &'a [f32],
    pub dy: &'a [f32],
    pub dx: &'a mut [f32],
}

impl Kernel for DepthwiseInputGradient<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { geometry, weight, dy, dx } = self;
        let (vectors_of_row, steps) = geometry.vectors();
        for (block, weight) in weight.chunks_exact(geometry.taps.len() * BLOCK_WIDTH).enumerate() {
            for row in 0..geometry.output.size[0] {
                let [to, from] = geometry.starts(row, block);
                let dy = &dy[from..];
                for (tap, weight) in geometry.taps.iter().zip(vectors::<S, V>(weight)) {
                    let dx = &mut dx[to + tap..];
                    for i in 0..vectors_of_row {
                        let dy = vectors::<S, V>(&dy[i * steps[1]..][..BLOCK_WIDTH])[0];
                        let dx = &mut vectors_mut::<S, V>(&mut dx[i * steps[0]..][..BLOCK_WIDTH])[0];
                        for v in 0..V {
                            dx[v] = simd.mul_add_e_f32s(weight[v], dy[v], dx[v]);
                        }
                    }
                }
            }
        }
    }
}
