use pulp::Simd;

use super::{
    LookupConv, lanes,
    sequences::{Run, Sequence},
};
use crate::cpu::{
    parallel,
    simd::{BLOCK_WIDTH, CacheAligned, Kernel, Row, dispatch, vectors, vectors_mut},
};

/// The number of runs of a tile: its sums are added to those before, so that rounding errors stay small.
pub const TILE: usize = 64;

/// The largest or the smallest output of each filter for each sequence, (N, filters).
#[derive(Debug)]
pub struct Extremes {
    pub values: Vec<f32>,
    /// The position of each; of equal ones, the first.
    pub positions: Vec<u32>,
    /// For each sequence and filter, the sum of all outputs and that of the squares of their distances from their mean; zeros
    /// if they are not wanted. (N, filters, 2)
    pub moments: Vec<f32>,
}

/// Computes the extremes, and the moments of all outputs if `want_moments`. The sign of each filter tells whether its maximum
/// (1) or its minimum (−1) is wanted; with 0 it is the first output. `counted` has a value for each output position (N,
/// positions), 0 where it does not take part in the extremes; each sequence has positions that do.
pub fn extremes(
    conv: &LookupConv,
    vectors: &[f32],
    weight: &[f32],
    signs: &[f32],
    counted: Option<&[u8]>,
    want_moments: bool,
) -> Extremes {
    const VALUES: usize = 3 * BLOCK_WIDTH;
    let (batch, positions, blocks) = (conv.sequences.batch(), conv.sequences.positions(), conv.blocks());
    let packed = conv.pack(weight);
    let mut values = vec![0f32; blocks * batch * VALUES];
    let mut winners = vec![0u32; blocks * batch * BLOCK_WIDTH];
    // All sequences of a block, then those of the next: a table that they share stays in the cache.
    let tasks = ((&mut values[..], VALUES), (&mut winners[..], BLOCK_WIDTH));
    conv.with_tables(true, vectors, &packed, |tables| {
        parallel::chunks_zip(tasks.0, tasks.1, conv.additions(), |task, values, winners| {
            let (block, n) = (task / batch, task % batch);
            let counted = counted.map(|counted| &counted[n * positions..][..positions]);
            let (sequence, signs) = (conv.sequences.sequence(n), lanes(signs, block));
            conv.with_table(tables, vectors, &packed, [n, block], |table| {
                dispatch(Block { sequence, table, signs, counted, want_moments, values, winners });
            });
        });
    });

    let filters = conv.filters;
    let mut extremes = Extremes { values: Vec::new(), positions: Vec::new(), moments: Vec::new() };
    for n in 0..batch {
        for filter in 0..filters {
            let (task, lane) = (filter / BLOCK_WIDTH * batch + n, filter % BLOCK_WIDTH);
            let [value, sum, squares] = [0, 1, 2].map(|which| values[task * VALUES + which * BLOCK_WIDTH + lane]);
            extremes.values.push(value);
            extremes.positions.push(winners[task * BLOCK_WIDTH + lane]);
            extremes.moments.extend([sum, squares]);
        }
    }
    extremes
}

/// Computes the extremes of one sequence and one block of filters.
struct Block<'a> {
    sequence: Sequence<'a>,
    table: &'a [f32],
    signs: [f32; BLOCK_WIDTH],
    counted: Option<&'a [u8]>,
    want_moments: bool,
    /// Extremes, sums and squares.
    values: &'a mut [f32],
    winners: &'a mut [u32],
}

impl Kernel for Block<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { sequence, table, signs, counted, want_moments, values, winners } = self;
        let (signs, zero) = (vectors::<S, V>(&signs)[0], [simd.splat_f32s(0.); V]);
        let mut tile = CacheAligned([0f32; TILE * BLOCK_WIDTH]);
        let tile = vectors_mut::<S, V>(&mut tile.0);
        let (mut best, mut moments) = (None, Moments::<S, V> { count: 0, mean: zero, squares: zero });
        for runs in sequence.runs.chunks(TILE) {
            let tile = &mut tile[..runs.len()];
            sequence.sum_rows::<S, V>(simd, table, zero, runs, tile);
            if want_moments {
                moments.add(simd, runs, tile);
            }
            for (run, &row) in runs.iter().zip(&*tile) {
                if counted.is_none_or(|counted| counted[run.position as usize] != 0) {
                    Best::update(&mut best, simd, signs, run.position, row);
                }
            }
        }
        let rows = vectors_mut::<S, V>(values);
        if let Some(best) = best {
            rows[0] = best.value;
            let mut bits = CacheAligned([0f32; BLOCK_WIDTH]);
            vectors_mut::<S, V>(&mut bits.0)[0] = best.position.map(|position| simd.transmute_f32s_u32s(position));
            winners.iter_mut().zip(bits.0).for_each(|(winner, bits)| *winner = bits.to_bits());
        }
        let count = simd.splat_f32s(sequence.positions() as f32);
        rows[1] = moments.mean.map(|mean| simd.mul_f32s(mean, count));
        rows[2] = moments.squares;
    }
}

/// The best output so far of each filter.
#[derive(Clone, Copy)]
struct Best<S: Simd, const V: usize> {
    /// The output, with its sign changed where the minimum is wanted.
    key: Row<S, V>,
    value: Row<S, V>,
    position: [S::u32s; V],
}

impl<S: Simd, const V: usize> Best<S, V> {
    /// Compares with the outputs at another position. NaN wins, as in PyTorch.
    #[inline(always)]
    fn update(best: &mut Option<Self>, simd: S, signs: Row<S, V>, position: u32, row: Row<S, V>) {
        let mut key = row;
        for v in 0..V {
            key[v] = simd.mul_f32s(row[v], signs[v]);
        }
        let position = simd.splat_u32s(position);
        let Some(best) = best else {
            *best = Some(Self { key, value: row, position: [position; V] });
            return;
        };
        for v in 0..V {
            let is_nan = simd.not_m32s(simd.equal_f32s(key[v], key[v]));
            let wins = simd.or_m32s(simd.greater_than_f32s(key[v], best.key[v]), is_nan);
            best.key[v] = simd.select_f32s(wins, key[v], best.key[v]);
            best.value[v] = simd.select_f32s(wins, row[v], best.value[v]);
            best.position[v] = simd.select_u32s(wins, position, best.position[v]);
        }
    }
}

/// The mean of some outputs and the sum of the squares of their distances from it, for each filter.
struct Moments<S: Simd, const V: usize> {
    count: usize,
    mean: Row<S, V>,
    squares: Row<S, V>,
}

impl<S: Simd, const V: usize> Moments<S, V> {
    /// Adds the outputs of the runs of a tile, by the formula of Chan, Golub & LeVeque (1979).
    #[inline(always)]
    fn add(&mut self, simd: S, runs: &[Run], tile: &[Row<S, V>]) {
        let (mut count, mut mean, mut squares) = (0, [simd.splat_f32s(0.); V], [simd.splat_f32s(0.); V]);
        for (run, row) in runs.iter().zip(tile) {
            count += run.count as usize;
            for v in 0..V {
                mean[v] = simd.mul_add_e_f32s(row[v], simd.splat_f32s(run.count as f32), mean[v]);
            }
        }
        for mean in &mut mean {
            *mean = simd.div_f32s(*mean, simd.splat_f32s(count as f32));
        }
        for (run, row) in runs.iter().zip(tile) {
            for v in 0..V {
                let distance = simd.sub_f32s(row[v], mean[v]);
                let weighted = simd.mul_f32s(distance, simd.splat_f32s(run.count as f32));
                squares[v] = simd.mul_add_e_f32s(distance, weighted, squares[v]);
            }
        }
        let total = self.count + count;
        let share = count as f32 / total as f32;
        let (share, product) = (simd.splat_f32s(share), simd.splat_f32s(self.count as f32 * share));
        for v in 0..V {
            let distance = simd.sub_f32s(mean[v], self.mean[v]);
            let between = simd.mul_f32s(simd.mul_f32s(distance, distance), product);
            self.mean[v] = simd.mul_add_e_f32s(distance, share, self.mean[v]);
            self.squares[v] = simd.add_f32s(self.squares[v], simd.add_f32s(squares[v], between));
        }
        self.count = total;
    }
}
