//! The transformed weights, and the gradient of the weights from theirs, for [`BLOCK_WIDTH`] channels at a time.

use std::marker::PhantomData;

use pulp::Simd;

use super::{
    tiling::Tiling,
    transforms::{Transforms, transform_2d},
};
use crate::cpu::{
    conv::shape::ConvShape,
    isa::vectorised,
    parallel, scratch,
    simd::{BLOCK_WIDTH, Kernel, dispatch},
    transpose::{transpose, transpose_rows},
};

/// About the number of operations that the transform of a weight takes, memory accesses included.
const FLOPS_PER_WEIGHT: usize = 16;

/// The number of weights of a pair of channels.
const TAPS: usize = 9;

/// The number of channels of a block that are transformed at a time, in f64. With 8 or all 16 of them it takes twice as long.
const LANES: usize = 4;

/// The number of channels of the other side whose transformed weights are written together, as neighbouring cache lines. The
/// lines of a single one would all fall into the same set of the first-level cache where there are 64 or 128 channels.
const PART: usize = 8;

/// The weights that [`BLOCK_WIDTH`] channels have with another channel, tap by tap.
type Kernels = [[f32; BLOCK_WIDTH]; TAPS];

/// Transforms weights (C_out, C_in, 3, 3) for the forward product, in the order (block of outputs, element of a tile,
/// input, [`BLOCK_WIDTH`] outputs).
pub fn pack<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize>(s: &ConvShape, weight: &[f32]) -> Vec<f32> {
    pack_blocks::<F, OUT, IN>(s.out_channels, s.in_channels, |block, kernels| {
        let (first, patch) = (block * BLOCK_WIDTH, s.patch_len());
        let count = BLOCK_WIDTH.min(s.out_channels - first);
        transpose_rows(&weight[first * patch..], patch, kernels, BLOCK_WIDTH, [count, patch]);
    })
}

/// Transforms weights (C_out, C_in, 3, 3) for the gradient of the input, in the order (block of inputs, element of a
/// tile, output, [`BLOCK_WIDTH`] inputs).
pub fn pack_for_input_gradient<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize>(
    s: &ConvShape,
    weight: &[f32],
) -> Vec<f32> {
    pack_blocks::<F, OUT, IN>(s.in_channels, s.out_channels, |block, kernels| {
        let first = block * BLOCK_WIDTH;
        let count = BLOCK_WIDTH.min(s.in_channels - first);
        transpose_kernels(&weight[first * TAPS..], s.patch_len(), count, kernels);
    })
}

vectorised! {
/// Writes the taps of `count` kernels of each row of weights, which has `patch` values, as rows of [`BLOCK_WIDTH`].
fn transpose_kernels<'a>(weight: &'a [f32], patch: usize, count: usize, kernels: &'a mut [f32]) {
    for (weight, kernels) in weight.chunks(patch).zip(kernels.chunks_exact_mut(TAPS * BLOCK_WIDTH)) {
        transpose(weight, TAPS, kernels, BLOCK_WIDTH, [count, TAPS]);
    }
}
}

/// Transforms the weights of each block of `columns` channels with all of `depth` channels, in the order (block, element,
/// depth, [`BLOCK_WIDTH`]). `collect` writes the weights of a block, (depth, tap, [`BLOCK_WIDTH`]), over zeros.
fn pack_blocks<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize>(
    columns: usize,
    depth: usize,
    collect: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let block_len = Tiling::<OUT>::TILE_LEN * depth * BLOCK_WIDTH;
    let (len, flops) = (columns.div_ceil(BLOCK_WIDTH) * block_len, FLOPS_PER_WEIGHT * TAPS * columns * depth);
    parallel::filled(len, block_len, flops, |block, packed| {
        scratch::with([depth * TAPS * BLOCK_WIDTH], |[kernels]| {
            kernels.fill(0.);
            collect(block, kernels);
            let (kernels, packed) = (kernels.as_chunks().0.as_chunks().0, packed.zeroed());
            dispatch(PackKernel::<F, OUT, IN> { kernels, packed, transforms: PhantomData });
        });
    })
}

/// Computes `U = G g Gᵀ` for a block of channels. This is in f64, so that U is rounded once.
struct PackKernel<'a, F, const OUT: usize, const IN: usize> {
    kernels: &'a [Kernels],
    /// (element, depth, [`BLOCK_WIDTH`])
    packed: &'a mut [f32],
    transforms: PhantomData<F>,
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> Kernel for PackKernel<'_, F, OUT, IN> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, _simd: S) {
        let Self { kernels, packed, .. } = self;
        let (depth, packed) = (kernels.len(), packed.as_chunks_mut::<BLOCK_WIDTH>().0);
        let mut of_part = [[[[0f32; BLOCK_WIDTH]; PART]; IN]; IN];
        for (part, kernels) in kernels.chunks(PART).enumerate() {
            for (i, g) in kernels.iter().enumerate() {
                for first in (0..BLOCK_WIDTH).step_by(LANES) {
                    transform_2d!(
                        [3 => IN],
                        [0f64; LANES],
                        |y, x| {
                            let mut lanes = [0f64; LANES];
                            for lane in 0..LANES {
                                lanes[lane] = f64::from(g[3 * y + x][first + lane]);
                            }
                            lanes
                        },
                        |line| weights_line::<F, OUT, IN>(&line),
                        |y, x, value| {
                            for lane in 0..LANES {
                                of_part[y][x][i][first + lane] = value[lane] as f32;
                            }
                        }
                    );
                }
            }
            for (element, values) in of_part.as_flattened().iter().enumerate() {
                packed[element * depth + part * PART..][..kernels.len()].copy_from_slice(&values[..kernels.len()]);
            }
        }
    }
}

/// Computes `G g` for a line of the weights of [`LANES`] pairs of channels.
#[inline(always)]
fn weights_line<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize>(
    g: &[[f64; LANES]; 3],
) -> [[f64; LANES]; IN] {
    let mut line = [[0.; LANES]; IN];
    for (line, factors) in line.iter_mut().zip(F::WEIGHTS) {
        for lane in 0..LANES {
            line[lane] = factors[0] * g[0][lane] + factors[1] * g[1][lane] + factors[2] * g[2][lane];
        }
    }
    line
}

/// Returns the number of values of the gradient of the weights in the order of [`WeightGradient`](super::weight_gradient::WeightGradient).
pub fn gradient_len(s: &ConvShape) -> usize {
    s.out_channels.next_multiple_of(BLOCK_WIDTH) * s.patch_len()
}

/// Converts the gradient of the weights from the order of [`WeightGradient`](super::weight_gradient::WeightGradient) to (C_out, C_in, 3, 3).
pub fn unpack_gradient(s: &ConvShape, gradient: &[f32]) -> Vec<f32> {
    let (patch, len) = (s.patch_len(), s.out_channels * s.patch_len());
    parallel::filled(len, BLOCK_WIDTH * patch, len, |block, unpacked| {
        let unpacked = unpacked.zeroed();
        let (gradient, count) = (&gradient[block * patch * BLOCK_WIDTH..], unpacked.len() / patch);
        transpose_rows(gradient, BLOCK_WIDTH, unpacked, patch, [patch, count]);
    })
}
