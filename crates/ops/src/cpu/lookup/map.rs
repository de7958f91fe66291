use pulp::Simd;

use super::{LookupConv, extremes::TILE, lanes, sequences::Sequence};
use crate::cpu::{
    parallel,
    simd::{BLOCK_WIDTH, CacheAligned, Kernel, dispatch, vectors, vectors_mut},
    transpose::transpose,
};

/// Computes all outputs, (N, filters, positions), of sequences whose windows are not merged.
pub fn map(conv: &LookupConv, vectors: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (batch, positions) = (conv.sequences.batch(), conv.sequences.positions());
    let (packed, len) = (conv.pack(weight), conv.filters * positions);
    conv.with_tables(true, vectors, &packed, |tables| {
        parallel::filled(batch * len, len, conv.additions(), |n, mut y| {
            let sequence = conv.sequences.sequence(n);
            for block in 0..conv.blocks() {
                let filters = BLOCK_WIDTH.min(conv.filters - block * BLOCK_WIDTH);
                let y = y.take_zeroed(filters * positions);
                let bias = bias.map_or([0.; BLOCK_WIDTH], |bias| lanes(bias, block));
                conv.with_table(tables, vectors, &packed, [n, block], |table| {
                    dispatch(Block { sequence, table, bias, y });
                });
            }
        })
    })
}

/// Computes the outputs of one sequence and one block of filters.
struct Block<'a> {
    sequence: Sequence<'a>,
    table: &'a [f32],
    bias: [f32; BLOCK_WIDTH],
    /// (filters, positions)
    y: &'a mut [f32],
}

impl Kernel for Block<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { sequence, table, bias, y } = self;
        let (bias, positions) = (vectors::<S, V>(&bias)[0], sequence.positions());
        let filters = y.len() / positions;
        let mut tile = CacheAligned([0f32; TILE * BLOCK_WIDTH]);
        for (tile_index, runs) in sequence.runs.chunks(TILE).enumerate() {
            let rows = &mut vectors_mut::<S, V>(&mut tile.0)[..runs.len()];
            sequence.sum_rows::<S, V>(simd, table, bias, runs, rows);
            transpose(&tile.0, BLOCK_WIDTH, &mut y[tile_index * TILE..], positions, [runs.len(), filters]);
        }
    }
}
