//! 1-d convolutions over sequences of vectors that ids stand for, without the sequences of vectors.
//!
//! A convolution is linear. At one place of its window, an id therefore always contributes the same value to each filter: a
//! row of a table, which is the product of the vectors and the weights. An output is the sum of one row for each place of
//! the window. It takes one addition where the convolution of the vectors takes a multiplication and an addition for each of
//! their dimensions. Likewise the gradients of vectors and weights follow from that of the table, to whose rows the gradients
//! of the outputs are added.
//!
//! Outputs are computed in tiles of some positions and [`BLOCK_WIDTH`] filters, which stay in the first-level cache. What
//! needs one value per sequence and filter never writes the whole map of outputs.

mod backward;
mod extremes;
mod map;
mod sequences;
mod table;

pub use backward::{AffineGradient, Upstream, backward};
pub use extremes::{Extremes, extremes};
pub use map::map;
pub use sequences::{Sequences, Windows};

use super::simd::BLOCK_WIDTH;

/// The sizes of a convolution, with the sequences that it reads.
#[derive(Debug)]
pub struct LookupConv {
    pub sequences: Sequences,
    /// The number of dimensions of a vector.
    pub dimensions: usize,
    pub filters: usize,
    /// True if each sequence has vectors of its own, (N, ids, dimensions), instead of (ids, dimensions).
    pub own_vectors: bool,
}

impl LookupConv {
    /// Returns the number of blocks of filters.
    fn blocks(&self) -> usize {
        self.filters.div_ceil(BLOCK_WIDTH)
    }

    /// Returns the number of values of all weights in blocks.
    fn packed_len(&self) -> usize {
        self.blocks() * self.packed_block_len()
    }

    /// Returns the number of values of the weights of a block of filters.
    fn packed_block_len(&self) -> usize {
        self.dimensions * self.sequences.window() * BLOCK_WIDTH
    }

    /// Returns the number of values of the vectors of a sequence.
    fn vectors_len(&self) -> usize {
        self.sequences.ids() * self.dimensions
    }

    /// Returns the vectors of a sequence.
    fn vectors_of<'a>(&self, vectors: &'a [f32], sequence: usize) -> &'a [f32] {
        if self.own_vectors { &vectors[sequence * self.vectors_len()..][..self.vectors_len()] } else { vectors }
    }

    /// Returns about the number of additions of a pass over all sequences.
    fn additions(&self) -> usize {
        let Self { sequences, filters, .. } = self;
        sequences.batch().saturating_mul(sequences.positions()).saturating_mul(sequences.window() * filters)
    }
}

/// Returns the values of a block of filters, with zeros for filters that do not exist.
fn lanes(values: &[f32], block: usize) -> [f32; BLOCK_WIDTH] {
    let mut lanes = [0.; BLOCK_WIDTH];
    lanes.iter_mut().zip(&values[block * BLOCK_WIDTH..]).for_each(|(lane, &value)| *lane = value);
    lanes
}
