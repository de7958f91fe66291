use candle_core::{Result, bail};
use pulp::Simd;

use crate::{
    cpu::simd::{BLOCK_WIDTH, Row, add, vectors, vectors_mut},
    sizes::{check_memory, product},
};

/// The number of runs whose outputs are computed together.
const RUNS_AT_ONCE: usize = 4;

/// Sequences of ids, of one length and with their padding, as rows of a table.
///
/// The table of a block of filters has one row of [`BLOCK_WIDTH`] values for each id and each place of the window: (ids + 1,
/// window). The additional id stands for the zeros beyond both ends of a sequence.
#[derive(Debug)]
pub struct Sequences {
    /// For each position, the first row of its id. It is at most ids · window.
    rows: Vec<u32>,
    /// The windows of all sequences.
    runs: Vec<Run>,
    /// Where the runs of each sequence end.
    ends: Vec<usize>,
    /// The number of positions of a sequence with its padding.
    padded: usize,
    ids: usize,
    window: usize,
}

/// Neighbouring positions with equal windows, and so with equal outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first of them.
    pub position: u32,
    /// The number of them.
    pub count: u32,
}

/// Says whether neighbouring positions with equal windows are merged.
#[derive(Debug, Clone, Copy)]
pub enum Windows<'a> {
    /// Every position is a run of its own.
    Each,
    /// Equal windows are merged, so that the padding of a sequence costs nothing, unless the mask (N, positions) tells them
    /// apart.
    Merged(Option<&'a [u8]>),
}

/// One of the [`Sequences`].
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a> {
    /// The first row of each position, at most `table_rows` − `window`.
    rows: &'a [u32],
    /// The windows, in the order of their positions.
    pub runs: &'a [Run],
    window: usize,
    table_rows: usize,
}

impl Sequences {
    /// Takes `batch` sequences whose ids are below `ids`, for a convolution with a window of the given size and zero padding
    /// before and behind each sequence.
    ///
    /// # Errors
    /// An id without a vector, and sizes that are too large or too small.
    pub fn new(
        values: &[i64],
        batch: usize,
        ids: usize,
        window: usize,
        padding: [usize; 2],
        windows: Windows,
    ) -> Result<Self> {
        let length = values.len().checked_div(batch).unwrap_or_default();
        let padded = padding.iter().try_fold(length, |length, &padding| length.checked_add(padding));
        let table_rows = product("embedding_conv1d: a table", &[ids.saturating_add(1), window])?;
        let (Some(padded), true) = (padded, u32::try_from(table_rows).is_ok()) else {
            bail!("embedding_conv1d: {ids} ids, a window of {window} and a padding of {padding:?} are too large")
        };
        if window == 0 || length == 0 || padded < window || u32::try_from(padded).is_err() {
            bail!(
                "embedding_conv1d: a window of {window} does not fit sequences of {length} with a padding of {padding:?}"
            )
        }
        check_memory("embedding_conv1d: the padded sequences", &[batch, padded, size_of::<Run>() / size_of::<f32>()])?;
        let outside = ids * window;
        let mut rows = Vec::with_capacity(batch * padded);
        for sequence in values.chunks_exact(length) {
            rows.resize(rows.len() + padding[0], outside as u32);
            for &id in sequence {
                match usize::try_from(id) {
                    Ok(id) if id < ids => rows.push((id * window) as u32),
                    _ => bail!("embedding_conv1d: there is no vector for id {id}; ids must be from 0 to {}", ids - 1),
                }
            }
            rows.resize(rows.len() + padding[1], outside as u32);
        }
        let (mut runs, mut ends) = (Vec::with_capacity(batch * (padded + 1 - window)), Vec::with_capacity(batch));
        for rows in rows.chunks_exact(padded) {
            add_runs(rows, window, ends.len(), windows, &mut runs);
            ends.push(runs.len());
        }
        Ok(Self { rows, runs, ends, padded, ids, window })
    }

    /// Returns the number of sequences.
    pub fn batch(&self) -> usize {
        self.ends.len()
    }

    /// Returns the number of ids that have a vector.
    pub fn ids(&self) -> usize {
        self.ids
    }

    /// Returns the size of the convolution's window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Returns the number of outputs of a filter for each sequence.
    pub fn positions(&self) -> usize {
        self.padded - self.window + 1
    }

    /// Returns the number of values of the table of a block of filters.
    pub fn table_len(&self) -> usize {
        (self.ids + 1) * self.window * BLOCK_WIDTH
    }

    /// Returns one sequence.
    pub fn sequence(&self, n: usize) -> Sequence<'_> {
        let Self { rows, runs, ends, padded, ids, window } = self;
        let first = n.checked_sub(1).map_or(0, |before| ends[before]);
        let (rows, runs) = (&rows[n * padded..][..*padded], &runs[first..ends[n]]);
        Sequence { rows, runs, window: *window, table_rows: (ids + 1) * window }
    }
}

/// Adds the runs of the sequence with this index.
fn add_runs(rows: &[u32], window: usize, sequence: usize, windows: Windows, runs: &mut Vec<Run>) {
    let positions = rows.len() + 1 - window;
    // The number of equal rows up to the end of a window.
    let mut equal = 0;
    let mut last = None;
    for (end, &row) in rows.iter().enumerate() {
        equal = if last == Some(row) { equal + 1 } else { 1 };
        last = Some(row);
        let Some(position) = (end + 1).checked_sub(window) else { continue };
        let is_like_the_last = match windows {
            Windows::Each => false,
            Windows::Merged(mask) => {
                let same = |mask: &[u8]| {
                    let at = sequence * positions + position;
                    (mask[at - 1] == 0) == (mask[at] == 0)
                };
                equal > window && mask.is_none_or(same)
            }
        };
        match runs.last_mut() {
            Some(run) if is_like_the_last => run.count += 1,
            _ => runs.push(Run { position: position as u32, count: 1 }),
        }
    }
}

impl Sequence<'_> {
    /// Returns the number of outputs of a filter.
    pub fn positions(self) -> usize {
        self.rows.len() - self.window + 1
    }

    /// Writes the output of each run: `start` and the sum of the rows in the window.
    #[inline(always)]
    pub fn sum_rows<S: Simd, const V: usize>(
        self,
        simd: S,
        table: &[f32],
        start: Row<S, V>,
        runs: &[Run],
        out: &mut [Row<S, V>],
    ) {
        assert_eq!(runs.len(), out.len());
        let (runs, last_runs) = runs.as_chunks::<RUNS_AT_ONCE>();
        let (out, last_out) = out.as_chunks_mut::<RUNS_AT_ONCE>();
        for (out, runs) in out.iter_mut().zip(runs) {
            *out = self.sums(simd, table, start, *runs);
        }
        for (out, &run) in last_out.iter_mut().zip(last_runs) {
            [*out] = self.sums(simd, table, start, [run]);
        }
    }

    /// Returns the outputs of `R` runs.
    #[inline(always)]
    fn sums<S: Simd, const V: usize, const R: usize>(
        self,
        simd: S,
        table: &[f32],
        start: Row<S, V>,
        runs: [Run; R],
    ) -> [Row<S, V>; R] {
        let table = &vectors::<S, V>(table)[..self.table_rows];
        let mut rows = [self.rows; R];
        for (rows, run) in rows.iter_mut().zip(runs) {
            *rows = &self.rows[run.position as usize..][..self.window];
        }
        let mut sums = [start; R];
        for place in 0..self.window {
            for (sum, rows) in sums.iter_mut().zip(rows) {
                // SAFETY: place < window, the length of `rows`, and a first row is at most table_rows − window.
                let row = unsafe { *table.get_unchecked(*rows.get_unchecked(place) as usize + place) };
                *sum = add::<S, V>(simd, *sum, row);
            }
        }
        sums
    }

    /// Adds the gradient of each run's outputs to the rows that were their terms.
    #[inline(always)]
    pub fn add_to_rows<S: Simd, const V: usize>(
        self,
        simd: S,
        runs: &[Run],
        gradients: &[Row<S, V>],
        table: &mut [f32],
    ) {
        let table = &mut vectors_mut::<S, V>(table)[..self.table_rows];
        for (run, &gradient) in runs.iter().zip(gradients) {
            for (place, &row) in self.rows[run.position as usize..][..self.window].iter().enumerate() {
                // SAFETY: a first row is at most table_rows − window.
                let row = unsafe { table.get_unchecked_mut(row as usize + place) };
                *row = add::<S, V>(simd, *row, gradient);
            }
        }
    }

    /// Adds the gradient of one output of one filter of the block to the rows that were its terms.
    #[inline(always)]
    pub fn add_to_lane(self, position: usize, lane: usize, gradient: f32, table: &mut [f32]) {
        for (place, &row) in self.rows[position..][..self.window].iter().enumerate() {
            table[(row as usize + place) * BLOCK_WIDTH + lane] += gradient;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_of_an_id_is_within_the_table() {
        let sequences = Sequences::new(&[0, 2, 1, 2], 2, 3, 2, [1, 0], Windows::Each).unwrap();
        assert_eq!(sequences.rows, [6, 0, 4, 6, 2, 4]);
        assert_eq!((sequences.positions(), sequences.table_len()), (2, 4 * 2 * BLOCK_WIDTH));
        assert_eq!(sequences.sequence(1).rows, [6, 2, 4]);
    }

    #[test]
    fn equal_windows_are_merged_unless_the_mask_tells_them_apart() {
        let ids = [0, 0, 0, 0, 1, 1, 1, 2];
        let runs = |windows| {
            let sequences = Sequences::new(&ids.repeat(2), 2, 3, 2, [0, 0], windows).unwrap();
            let runs = |n| sequences.sequence(n).runs.iter().map(|run| (run.position, run.count)).collect::<Vec<_>>();
            [runs(0), runs(1)]
        };
        let merged = vec![(0, 3), (3, 1), (4, 2), (6, 1)];
        assert_eq!(runs(Windows::Each)[1], (0..7).map(|position| (position, 1)).collect::<Vec<_>>());
        assert_eq!(runs(Windows::Merged(None)), [merged.clone(), merged.clone()]);
        let mask = [[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]].concat();
        assert_eq!(runs(Windows::Merged(Some(&mask))), [vec![(0, 2), (2, 1), (3, 1), (4, 2), (6, 1)], merged]);
    }

    #[test]
    fn what_a_table_cannot_hold_is_an_error() {
        let new = |values: &[i64], ids, window, padding| {
            Sequences::new(values, 1, ids, window, padding, Windows::Merged(None)).map(|_| ())
        };
        for id in [-1, 3, i64::MAX, i64::MIN] {
            assert!(new(&[0, id], 3, 2, [0, 0]).is_err(), "{id}");
        }
        for (window, padding) in [(0, [0, 0]), (4, [1, 0]), (2, [usize::MAX, 0]), (usize::MAX, [usize::MAX - 2, 0])] {
            assert!(new(&[0, 1], 3, window, padding).is_err(), "{window}, {padding:?}");
        }
        assert!(new(&[], 3, 1, [0, 0]).is_err());
        assert!(new(&[0], usize::MAX, 1, [0, 0]).is_err());
        assert!(new(&[0], 1 << 31, 2, [1, 1]).is_err());
    }
}
