//! Writing results that are still in registers: bias and epilogue are applied there.

use pulp::Simd;

use super::{channels_last::rows_to_planes, shape::ConvShape};
use crate::cpu::{
    epilogue::{Epilogue, relu_max_of_four, relu_of_maximum, store_winners},
    map_order::MapOrder,
    simd::{BLOCK_WIDTH, CacheAligned, Row, relu, vectors},
};

/// Where the results of a few images are written.
pub struct Results<'a> {
    s: &'a ConvShape,
    /// In [`MapOrder::Pixels`] the results, in planes (image, block of channels, result, [`BLOCK_WIDTH`]).
    values: &'a mut [f32],
    /// The winners of max pooling, if they are wanted, (image, block of channels, result, [`BLOCK_WIDTH`]).
    winners: Option<&'a mut [u8]>,
    /// The index of the result that each image of `values` starts with, counted over the plane of results.
    first_result: usize,
    /// The distances in `values` of images, of blocks of channels and of results.
    steps: [usize; 3],
    /// The number of channels in `values`.
    channels: usize,
    /// The distances in `winners` of images and of blocks of channels.
    winner_steps: [usize; 2],
}

/// A vector of channels of an image.
#[derive(Clone, Copy)]
pub struct ChannelVector {
    /// The number of the image.
    pub image: usize,
    /// The number of the block of channels.
    pub block: usize,
    /// The first channel of the vector, counted from the first of the block.
    pub channel: usize,
}

impl<'a> Results<'a> {
    /// Takes the memory for the results of `count` images from result number `first_result` on, and for the winners of max pooling,
    /// if they are wanted, (image, block of channels, result, [`BLOCK_WIDTH`]). In [`MapOrder::Planes`] the results are
    /// [`blocked_result_len`](ConvShape::blocked_result_len) values for each image, for [`copy_to_planes`](Self::copy_to_planes).
    pub fn new(
        s: &'a ConvShape,
        values: &'a mut [f32],
        count: usize,
        first_result: usize,
        winners: Option<&'a mut [u8]>,
    ) -> Self {
        let block_len = s.result().iter().product::<usize>() * BLOCK_WIDTH;
        let [block, result, channels] = match s.result_order {
            MapOrder::Pixels => [BLOCK_WIDTH, s.out_channels, s.out_channels],
            MapOrder::Planes => [block_len, BLOCK_WIDTH, s.out_channels.next_multiple_of(BLOCK_WIDTH)],
        };
        let steps = [values.len() / count, block, result];
        let winner_steps = [s.blocked_result_len(), block_len];
        Self { s, values, winners, first_result, steps, channels, winner_steps }
    }

    /// Returns whether there are places for winners.
    #[inline(always)]
    pub fn has_winners(&self) -> bool {
        self.winners.is_some()
    }

    /// Applies bias and ReLU to the outputs at a position and writes them, where no pooling follows. `shift` is the bias of these
    /// channels.
    #[inline(always)]
    pub fn write<S: Simd>(&mut self, simd: S, at: ChannelVector, position: usize, shift: S::f32s, output: S::f32s) {
        let mut result = [simd.add_f32s(output, shift)];
        if self.s.epilogue == Epilogue::Relu {
            result = relu::<S, 1>(simd, result);
        }
        self.store(simd, at, position, result[0]);
    }

    /// Applies bias, ReLU and max pooling to the outputs of a window, and writes the result, and the winner if `WINNERS`.
    #[inline(always)]
    pub fn write_pooled<S: Simd, const WINNERS: bool>(
        &mut self,
        simd: S,
        at: ChannelVector,
        result: usize,
        shift: S::f32s,
        mut window: [S::f32s; 4],
    ) {
        if !WINNERS {
            return self.store(simd, at, result, relu_of_maximum(simd, window, shift));
        }
        for output in &mut window {
            *output = simd.add_f32s(*output, shift);
        }
        let [best, winner] = relu_max_of_four(simd, window);
        self.store(simd, at, result, best);
        self.store_winners::<S>(at, result, winner);
    }

    /// Stores a vector of channels of a result.
    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, at: ChannelVector, result: usize, value: S::f32s) {
        let [of_image, of_block, of_result] = self.steps;
        let channels = self.channels.saturating_sub(at.block * BLOCK_WIDTH + at.channel);
        if channels == 0 {
            return;
        }
        let result = (result - self.first_result) * of_result;
        let values = &mut self.values[at.image * of_image + at.block * of_block + result + at.channel..];
        if channels >= S::F32_LANES {
            S::as_mut_simd_f32s(&mut values[..S::F32_LANES]).0[0] = value;
        } else {
            simd.partial_store_f32s(&mut values[..channels], value);
        }
    }

    /// Stores the winners of a vector of channels of a result, if they are wanted.
    #[inline(always)]
    fn store_winners<S: Simd>(&mut self, at: ChannelVector, result: usize, winner: S::f32s) {
        let Some(winners) = &mut self.winners else { return };
        let mut values = CacheAligned([0.; BLOCK_WIDTH]);
        S::as_mut_simd_f32s(&mut values.0[..S::F32_LANES]).0[0] = winner;
        let [of_image, of_block] = self.winner_steps;
        let start = at.image * of_image + at.block * of_block + result * BLOCK_WIDTH + at.channel;
        store_winners(&values.0[..S::F32_LANES], &mut winners[start..][..S::F32_LANES]);
    }

    /// Copies the results of all images, which are in blocks of channels, to planes.
    #[inline(always)]
    pub fn copy_to_planes(&self, y: &mut [f32]) {
        let plane = self.s.result().iter().product();
        let images = y.chunks_exact_mut(self.s.result_len()).zip(self.values.chunks_exact(self.steps[0]));
        for (y, values) in images {
            // Not with `for_each`: where that is not inlined, its closure does not get the instruction set.
            for (y, values) in y.chunks_mut(BLOCK_WIDTH * plane).zip(values.chunks_exact(self.steps[1])) {
                rows_to_planes(values, BLOCK_WIDTH, y, plane, 0..plane);
            }
        }
    }
}

/// Returns the bias of a block of channels. Without a bias it is −0, the value that changes no sum, not even −0.
#[inline(always)]
pub fn shift<S: Simd, const V: usize>(bias: Option<&[f32]>, block: usize) -> Row<S, V> {
    let mut shift = [-0f32; BLOCK_WIDTH];
    if let Some(bias) = bias {
        shift.iter_mut().zip(&bias[block * BLOCK_WIDTH..]).for_each(|(shift, bias)| *shift = *bias);
    }
    vectors::<S, V>(&shift)[0]
}
