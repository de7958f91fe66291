//! The gradient of the weights of few channels behind ReLU and 2×2 max pooling, with the bits of
//! [`DirectBackward`](super::DirectBackward).
//!
//! Of the four output positions of a pooling window at most one has a gradient, for each channel another. Adding the products
//! with the zeros of the others changes no sum, so they are skipped: for each channel, the elements of a chunk of positions are
//! listed, and each multiplies a patch of the image, one vector for each row of the kernel. With a 5×5 kernel and 6 channels,
//! an image takes at most a quarter of the multiplications of vectors that the product of matrices takes.

use pulp::Simd;

use super::backward::POSITIONS_PER_CHUNK;
use crate::cpu::{
    conv::{patch_layout::PatchLayout, shape::ConvShape},
    epilogue::NO_WINNER,
    map_order::MapOrder,
    micro_kernel::NonZero,
    simd::{BLOCK_WIDTH, HALF_BLOCK, Kernel, Row, add, multiply_add, vectors, vectors_mut},
};

/// The height of the kernels.
const KERNEL_ROWS: usize = 5;

/// The number of pooling windows of a chunk of positions.
const WINDOWS_PER_CHUNK: usize = POSITIONS_PER_CHUNK / 4;

/// The least number of values of a patch for each output channel. The product of matrices takes longer for larger patches, this
/// kernel for more channels: with AVX-512, forward and backward together, 8 channels take 1.04 times as long with the product for a
/// kernel of 5×5, 0.85 times for one of 5×3; 4 channels 1.4 times for one of 5×3, and 0.98 times for one of 5×1.
const MIN_PATCH_PER_CHANNEL: usize = 3;

/// The bits of a gradient that count, for each winner.
const WINS: [u32; NO_WINNER as usize + 1] = [!0, !0, !0, !0, 0];

/// Returns whether this kernel can compute the gradient of the weights, and is faster than the product of matrices.
pub fn supports(s: &ConvShape, layout: &PatchLayout) -> bool {
    let fits_vector = s.window.kernel[1].saturating_mul(s.in_channels) <= HALF_BLOCK;
    let few = s.out_channels <= HALF_BLOCK && s.patch_len() >= MIN_PATCH_PER_CHANNEL * s.out_channels;
    let fits_elements = u32::try_from(layout.image_len).is_ok();
    s.is_pooled() && s.window.kernel[0] == KERNEL_ROWS && fits_vector && few && fits_elements
}

/// Adds one image's part to the gradients of weights and bias.
pub struct PooledGradientKernel<'a> {
    pub s: &'a ConvShape,
    pub layout: &'a PatchLayout,
    /// The gradient of the results, in the order of the shape.
    pub dy: &'a [f32],
    /// The winner of each window, [`BLOCK_WIDTH`] channels for each.
    pub winners: &'a [u8],
    /// Padded, channels last.
    pub image: &'a [f32],
    /// In [`WeightOrder::OutputBlocks`](crate::cpu::conv::weight_order::WeightOrder::OutputBlocks), of one half block.
    pub dw: &'a mut [f32],
    /// One value per channel.
    pub db: &'a mut [f32],
}

impl Kernel for PooledGradientKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, layout, dy, winners, image, dw, db } = self;
        let windows = s.result().iter().product::<usize>();
        let [of_channel, of_window] = match s.result_order {
            MapOrder::Planes => [windows, 1],
            MapOrder::Pixels => [1, s.out_channels],
        };
        let (starts, winners) = (layout.patch_starts.as_chunks::<4>().0, winners.as_chunks::<BLOCK_WIDTH>().0);
        let row = s.window.kernel[1] * s.in_channels;
        // Those at even positions, and from the middle on those at odd ones: see `block_products`.
        let mut elements = [NonZero::default(); 2 * WINDOWS_PER_CHUNK];
        for (channel, db) in db.iter_mut().enumerate() {
            for first in (0..windows).step_by(WINDOWS_PER_CHUNK) {
                let chunk = first..(first + WINDOWS_PER_CHUNK).min(windows);
                let dy = dy[channel * of_channel + first * of_window..].iter().step_by(of_window);
                let of_windows = starts[chunk.clone()].iter().zip(&winners[chunk]).zip(dy);
                let (mut even, mut odd, mut bias) = (0, WINDOWS_PER_CHUNK, 0.);
                for ((starts, winners), &value) in of_windows {
                    let winner = usize::from(winners[channel % BLOCK_WIDTH]);
                    let position = winner % usize::from(NO_WINNER);
                    let is_odd = usize::from(V == 1) & position;
                    // Without branches, which could not be predicted: an element that does not count is overwritten by the
                    // next.
                    let at = if is_odd == 1 { odd } else { even };
                    elements[at] = NonZero { value, start: starts[position] as u32 };
                    odd += is_odd;
                    even += (is_odd | (winner / usize::from(NO_WINNER))) ^ 1;
                    bias += f32::from_bits(value.to_bits() & WINS[winner]);
                }
                *db += bias;
                let odd = products::<S, V>(simd, &elements[WINDOWS_PER_CHUNK..odd], image, layout.row_len);
                let even = products::<S, V>(simd, &elements[..even], image, layout.row_len);
                let mut taps = [0.; KERNEL_ROWS * HALF_BLOCK];
                for (taps, (even, odd)) in vectors_mut::<S, V>(&mut taps).iter_mut().zip(even.into_iter().zip(odd)) {
                    *taps = if V == 1 { add::<S, V>(simd, even, odd) } else { even };
                }
                let taps = taps.as_chunks::<HALF_BLOCK>().0.iter().flat_map(|taps| &taps[..row]);
                for (dw, tap) in dw.as_chunks_mut::<HALF_BLOCK>().0.iter_mut().zip(taps) {
                    dw[channel] += tap;
                }
            }
        }
    }
}

/// Returns the sums of the products of elements with their patches, for each row of the kernel.
#[inline(always)]
fn products<S: Simd, const V: usize>(
    simd: S,
    elements: &[NonZero],
    image: &[f32],
    row_len: usize,
) -> [Row<S, V>; KERNEL_ROWS] {
    let mut sums = [[simd.splat_f32s(0.); V]; KERNEL_ROWS];
    for element in elements {
        let patch = &image[element.start as usize..][..(KERNEL_ROWS - 1) * row_len + HALF_BLOCK];
        let value = [simd.splat_f32s(element.value); V];
        for (ky, sum) in sums.iter_mut().enumerate() {
            let row = vectors::<S, V>(&patch[ky * row_len..][..HALF_BLOCK])[0];
            *sum = multiply_add::<S, V>(simd, value, row, *sum);
        }
    }
    sums
}
