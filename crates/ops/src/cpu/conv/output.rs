//! Writing an image's output: bias and epilogue are applied to a block of channels while it is in the cache.

use pulp::Simd;

use super::{
    channels_last::{rows_to_pixels, rows_to_planes},
    shape::ConvShape,
};
use crate::cpu::{
    epilogue::{Epilogue, relu_max_of_four, relu_of_maximum, store_winners},
    map_order::MapOrder,
    simd::{BLOCK_WIDTH, Row, add, relu, row_width, vectors, vectors_mut},
};

/// Where the output of one image is written.
pub struct OutputImage<'a> {
    /// After the epilogue, in the order [`ConvShape::result_order`].
    pub y: &'a mut [f32],
    /// The index of the result that `y` starts with, counted over the plane of results; 0 in [`MapOrder::Planes`].
    pub first_result: usize,
    /// The winners of max pooling, if they are wanted, (block of channels, result, [`BLOCK_WIDTH`]).
    pub winners: Option<&'a mut [u8]>,
}

impl OutputImage<'_> {
    /// Applies bias and epilogue to the output of a block of channels and writes it to the result.
    ///
    /// `output` is overwritten. It has a row of `V` vectors of channels for each position from `first` on, in the order
    /// of [`PatchLayout::patch_starts`](super::patch_layout::PatchLayout::patch_starts).
    #[inline(always)]
    pub fn write<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        s: &ConvShape,
        block: usize,
        bias: Option<&[f32]>,
        first: usize,
        output: &mut [f32],
    ) {
        let (plane, width) = (s.result().iter().product::<usize>(), row_width::<S, V>());
        let channels = block * width..((block + 1) * width).min(s.out_channels);
        // −0 is the value that changes no sum, not even −0.
        let mut shift = [-0f32; BLOCK_WIDTH];
        if let Some(bias) = bias {
            shift[..channels.len()].copy_from_slice(&bias[channels.clone()]);
        }
        let (shift, rows) = (vectors::<S, V>(&shift)[0], vectors_mut::<S, V>(output));
        match s.epilogue {
            Epilogue::None if bias.is_none() => {}
            Epilogue::None => {
                for row in rows {
                    *row = add::<S, V>(simd, *row, shift);
                }
            }
            Epilogue::Relu => {
                for row in rows {
                    *row = relu::<S, V>(simd, add::<S, V>(simd, *row, shift));
                }
            }
            Epilogue::ReluMaxPool if self.winners.is_some() => relu_max_pool::<S, V, true>(simd, rows, shift),
            Epilogue::ReluMaxPool => relu_max_pool::<S, V, false>(simd, rows, shift),
        }
        let positions_per_result = if s.is_pooled() { 4 } else { 1 };
        let results = first / positions_per_result..plane.min((first + output.len() / width) / positions_per_result);
        let distance = positions_per_result * width;
        match s.result_order {
            MapOrder::Planes => {
                let y = &mut self.y[channels.start * plane..channels.end * plane];
                rows_to_planes(output, distance, y, plane, results.clone());
            }
            MapOrder::Pixels => {
                let of_results = results.start - self.first_result..results.end - self.first_result;
                let y = &mut self.y[of_results.start * s.out_channels..of_results.end * s.out_channels];
                rows_to_pixels(output, distance, &mut y[channels.start..], s.out_channels, channels.len());
            }
        }
        let Some(winners) = &mut self.winners else { return };
        let winners =
            &mut winners[channels.start * plane + results.start * BLOCK_WIDTH..][..results.len() * BLOCK_WIDTH];
        let windows = output.chunks_exact(4 * width);
        for (winners, window) in winners.as_chunks_mut::<BLOCK_WIDTH>().0.iter_mut().zip(windows) {
            store_winners(&window[width..2 * width], winners);
        }
    }
}

/// Replaces the first of every four rows by ReLU of the maximum of the four after adding `shift`, and if they are wanted the
/// second by the winner.
#[inline(always)]
fn relu_max_pool<S: Simd, const V: usize, const WINNERS: bool>(simd: S, rows: &mut [Row<S, V>], shift: Row<S, V>) {
    for four in rows.as_chunks_mut::<4>().0 {
        for v in 0..V {
            let mut values = [shift[v]; 4];
            for (value, row) in values.iter_mut().zip(&*four) {
                *value = if WINNERS { simd.add_f32s(row[v], shift[v]) } else { row[v] };
            }
            if WINNERS {
                [four[0][v], four[1][v]] = relu_max_of_four(simd, values);
            } else {
                four[0][v] = relu_of_maximum(simd, values, shift[v]);
            }
        }
    }
}
