//! The transformed weights, and the gradient of the weights from theirs.

use super::{
    tiling::Tiling,
    transforms::{F2, Transforms, transform_2d},
};
use crate::cpu::{
    conv::{patch_layout::PatchLayout, shape::ConvShape},
    parallel,
    simd::BLOCK_WIDTH,
};

/// About the number of operations that the transform of a weight takes, memory accesses included.
const FLOPS_PER_WEIGHT: usize = 16;

/// Transforms weights (C_out, C_in, 3, 3) for the forward product, in the order (block of outputs, element of a tile,
/// input, [`BLOCK_WIDTH`] outputs).
pub fn pack<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize>(
    t: &Tiling<OUT>,
    s: &ConvShape,
    layout: &PatchLayout,
    weight: &[f32],
) -> Vec<f32> {
    let (depth, patch) = (t.channel_rows.len(), s.patch_len());
    let block = Tiling::<OUT>::TILE_LEN * depth * BLOCK_WIDTH;
    parallel::filled(layout.channel_blocks * block, block, FLOPS_PER_WEIGHT * weight.len(), |i, packed| {
        let packed = packed.zeroed();
        for (output, weight) in weight[i * BLOCK_WIDTH * patch..].chunks_exact(patch).take(BLOCK_WIDTH).enumerate() {
            for (input, g) in weight.as_chunks().0.iter().enumerate() {
                for (element, &value) in transformed::<F, OUT, IN>(g).as_flattened().iter().enumerate() {
                    packed[(element * depth + input) * BLOCK_WIDTH + output] = value;
                }
            }
        }
    })
}

/// Transforms weights (C_out, C_in, 3, 3) for the gradient of the input, in the order (block of inputs, element of a
/// tile, output, [`BLOCK_WIDTH`] inputs).
pub fn pack_for_input_gradient(t: &Tiling<2>, s: &ConvShape, weight: &[f32]) -> Vec<f32> {
    let block = Tiling::<2>::TILE_LEN * s.out_channels * BLOCK_WIDTH;
    let (len, flops) = (t.padded_channels / BLOCK_WIDTH * block, FLOPS_PER_WEIGHT * weight.len());
    parallel::filled(len, block, flops, |i, packed| {
        let packed = packed.zeroed();
        for (output, weight) in weight.chunks_exact(s.patch_len()).enumerate() {
            for (input, g) in weight.as_chunks().0[i * BLOCK_WIDTH..].iter().take(BLOCK_WIDTH).enumerate() {
                for (element, &value) in transformed::<F2, 2, 4>(g).as_flattened().iter().enumerate() {
                    packed[(element * s.out_channels + output) * BLOCK_WIDTH + input] = value;
                }
            }
        }
    })
}

/// Computes the gradient of the weights, (C_out, C_in, 3, 3), from that of the transformed weights in the order of
/// [`pack`].
pub fn gradient(t: &Tiling<2>, s: &ConvShape, packed: &[f32]) -> Vec<f32> {
    let (depth, len) = (t.channel_rows.len(), s.out_channels * s.patch_len());
    parallel::filled(len, BLOCK_WIDTH * s.patch_len(), FLOPS_PER_WEIGHT * len, |block, gradient| {
        let packed = &packed[block * Tiling::<2>::TILE_LEN * depth * BLOCK_WIDTH..];
        for (i, dg) in gradient.zeroed().as_chunks_mut::<9>().0.iter_mut().enumerate() {
            let (output, input) = (i / s.in_channels, i % s.in_channels);
            let line = |[a, b, c, d]: [f32; 4]| [a + 0.5 * (b + c), 0.5 * (b - c), 0.5 * (b + c) + d];
            transform_2d!(
                [4 => 3],
                0.,
                |y, x| packed[((4 * y + x) * depth + input) * BLOCK_WIDTH + output],
                |du| line(du),
                |y, x, value| dg[3 * y + x] = value
            );
        }
    })
}

/// Returns the transformed weights of a pair of channels.
fn transformed<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize>(g: &[f32; 9]) -> [[f32; IN]; IN] {
    F::weights([[g[0], g[1], g[2]], [g[3], g[4], g[5]], [g[6], g[7], g[8]]])
}
