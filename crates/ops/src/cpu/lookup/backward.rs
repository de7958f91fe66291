use std::ops::Range;

use pulp::Simd;

use super::{LookupConv, extremes::TILE, lanes, sequences::Sequence};
use crate::cpu::{
    gradients::Gradients,
    image_groups::{self, GradientSizes},
    scratch,
    simd::{BLOCK_WIDTH, CacheAligned, Kernel, add, dispatch, vectors, vectors_mut},
    transpose::transpose,
};

/// The gradient of the outputs.
#[derive(Clone, Copy)]
pub enum Upstream<'a> {
    /// That of all outputs, (N, filters, positions), of sequences whose windows are not merged.
    Map(&'a [f32]),
    /// That of the extremes and of the moments.
    Extremes {
        /// The gradient of the extremes, (N, filters).
        dy: &'a [f32],
        /// The positions of the extremes, (N, filters).
        positions: &'a [u32],
        /// The gradient that the moments pass to every output; `None` if there is none.
        moments: Option<&'a AffineGradient>,
    },
}

/// A gradient `(y − mean)·slope + constant` of every output y, with one value of each per filter.
pub struct AffineGradient {
    pub mean: Vec<f32>,
    pub slope: Vec<f32>,
    pub constant: Vec<f32>,
}

/// Computes the gradients of the vectors, the weights and a bias of the outputs; the latter only of a map.
pub fn backward(
    conv: &LookupConv,
    vectors: &[f32],
    weight: &[f32],
    upstream: Upstream,
    want_vectors: bool,
    want_weight: bool,
) -> Gradients {
    let packed = conv.pack(weight);
    let needs_outputs = matches!(upstream, Upstream::Extremes { moments: Some(_), .. });
    let own = conv.own_vectors;
    // The gradients of vectors that all sequences share are sums over the batch, as those of the bias.
    let shared_len = if own || !want_vectors { 0 } else { conv.vectors_len() };
    let sizes = GradientSizes {
        batch: conv.sequences.batch(),
        image: conv.vectors_len(),
        weight: conv.packed_len(),
        bias: conv.filters + shared_len,
        image_sums: 0,
        want_dx: own && want_vectors,
        want_dw: want_weight,
        flops: conv.additions().saturating_mul(2),
    };
    let (mut gradients, _) = conv.with_tables(needs_outputs, vectors, &packed, |tables| {
        image_groups::accumulate(&sizes, |sequences, mut group| {
            let (bias, shared) = group.bias.split_at_mut(conv.filters);
            let task = TableGradient { conv, vectors, packed: &packed, tables, upstream };
            if !own {
                return task.add(sequences, group.weight, bias, want_vectors.then_some(shared));
            }
            for n in sequences {
                let of_vectors = group.x.as_mut().map(|x| x.take_zeroed(conv.vectors_len()));
                task.add(n..n + 1, group.weight.as_deref_mut(), bias, of_vectors);
            }
        })
    });
    if !own && want_vectors {
        gradients.x = Some(gradients.bias.split_off(conv.filters));
    }
    gradients.weight = gradients.weight.map(|packed| conv.unpack(&packed));
    gradients
}

/// Computes the gradients of sequences that share their vectors.
struct TableGradient<'a> {
    conv: &'a LookupConv,
    vectors: &'a [f32],
    packed: &'a [f32],
    /// Those of [`LookupConv::with_tables`].
    tables: &'a [f32],
    upstream: Upstream<'a>,
}

impl TableGradient<'_> {
    /// Adds the gradients of some sequences.
    fn add(
        &self,
        sequences: Range<usize>,
        mut of_weight: Option<&mut [f32]>,
        of_bias: &mut [f32],
        mut of_vectors: Option<&mut [f32]>,
    ) {
        let &Self { conv, vectors, packed, tables, upstream } = self;
        let own_vectors = conv.vectors_of(vectors, sequences.start);
        let lens = [conv.sequences.table_len(), conv.packed_block_len().max(conv.vectors_len())];
        for block in 0..conv.blocks() {
            scratch::with(lens, |[gradient, product]| {
                gradient.fill(0.);
                for n in sequences.clone() {
                    let (sequence, filters) = (conv.sequences.sequence(n), conv.filters);
                    let of_bias = &mut of_bias[block * BLOCK_WIDTH..];
                    let mut add = |table: &[f32]| {
                        dispatch(Block { sequence, n, block, filters, table, upstream, gradient, of_bias });
                    };
                    if let Upstream::Extremes { moments: Some(_), .. } = upstream {
                        conv.with_table(tables, vectors, packed, [n, block], add);
                    } else {
                        add(&[]);
                    }
                }
                if let Some(of_weight) = &mut of_weight {
                    let len = conv.packed_block_len();
                    let of_block = &mut of_weight[block * len..][..len];
                    conv.add_weight_gradient(own_vectors, gradient, &mut product[..len], of_block);
                }
                if let Some(of_vectors) = &mut of_vectors {
                    let product = &mut product[..conv.vectors_len()];
                    conv.add_vector_gradient(packed, block, gradient, product, of_vectors);
                }
            });
        }
    }
}

/// Adds the gradient of the outputs of one sequence and one block of filters to that of the table.
struct Block<'a> {
    sequence: Sequence<'a>,
    /// The index of the sequence.
    n: usize,
    block: usize,
    filters: usize,
    table: &'a [f32],
    upstream: Upstream<'a>,
    gradient: &'a mut [f32],
    of_bias: &'a mut [f32],
}

impl Kernel for Block<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { sequence, n, block, filters, table, upstream, gradient, of_bias } = self;
        let (positions, first_filter) = (sequence.positions(), block * BLOCK_WIDTH);
        let first_channel = n * filters + first_filter;
        let count = BLOCK_WIDTH.min(filters - first_filter);
        let mut tile = CacheAligned([0f32; TILE * BLOCK_WIDTH]);
        match upstream {
            Upstream::Map(dy) => {
                let dy = &dy[first_channel * positions..][..count * positions];
                let mut sums = CacheAligned([0f32; BLOCK_WIDTH]);
                for (tile_index, runs) in sequence.runs.chunks(TILE).enumerate() {
                    let dy = &dy[tile_index * TILE..];
                    transpose(dy, positions, &mut tile.0, BLOCK_WIDTH, [count, runs.len()]);
                    let tile = &vectors::<S, V>(&tile.0)[..runs.len()];
                    let sum = &mut vectors_mut::<S, V>(&mut sums.0)[0];
                    let mut of_tile = [simd.splat_f32s(0.); V];
                    for &row in tile {
                        of_tile = add::<S, V>(simd, of_tile, row);
                    }
                    *sum = add::<S, V>(simd, *sum, of_tile);
                    sequence.add_to_rows::<S, V>(simd, runs, tile, gradient);
                }
                of_bias[..count].iter_mut().zip(sums.0).for_each(|(bias, sum)| *bias += sum);
            }
            Upstream::Extremes { dy, positions: winners, moments } => {
                if let Some(AffineGradient { mean, slope, constant }) = moments {
                    let [mean, slope, constant] = [mean, slope, constant].map(|values| lanes(values, block));
                    let [mean, slope, constant] = [&mean, &slope, &constant].map(|values| vectors::<S, V>(values)[0]);
                    for runs in sequence.runs.chunks(TILE) {
                        let tile = &mut vectors_mut::<S, V>(&mut tile.0)[..runs.len()];
                        sequence.sum_rows::<S, V>(simd, table, [simd.splat_f32s(0.); V], runs, tile);
                        for (run, row) in runs.iter().zip(&mut *tile) {
                            for v in 0..V {
                                let distance = simd.sub_f32s(row[v], mean[v]);
                                let gradient = simd.mul_add_e_f32s(distance, slope[v], constant[v]);
                                row[v] = simd.mul_f32s(gradient, simd.splat_f32s(run.count as f32));
                            }
                        }
                        sequence.add_to_rows::<S, V>(simd, runs, tile, gradient);
                    }
                }
                let channels = first_channel..first_channel + count;
                for (lane, (&dy, &winner)) in dy[channels.clone()].iter().zip(&winners[channels]).enumerate() {
                    sequence.add_to_lane(winner as usize, lane, dy, gradient);
                }
            }
        }
    }
}
