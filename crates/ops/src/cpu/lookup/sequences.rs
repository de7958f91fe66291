use candle_core::{Result, bail};
use pulp::Simd;

use crate::{
    cpu::simd::{BLOCK_WIDTH, Row, add, vectors, vectors_mut},
    sizes::{check_memory, product},
};

/// The number of positions whose sums are computed together.
const POSITIONS_AT_ONCE: usize = 4;

/// Sequences of ids, of one length and with their padding, as rows of a table.
///
/// The table of a block of filters has one row of [`BLOCK_WIDTH`] values for each id and each place of the window: (ids + 1,
/// window). The additional id stands for the zeros beyond both ends of a sequence.
#[derive(Debug)]
pub struct Sequences {
    /// For each position, the first row of its id. It is at most ids · window.
    rows: Vec<u32>,
    batch: usize,
    /// The number of positions of a sequence with its padding.
    padded: usize,
    ids: usize,
    window: usize,
}

/// One of the [`Sequences`].
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a> {
    /// The first row of each position, at most `table_rows` − `window`.
    rows: &'a [u32],
    window: usize,
    table_rows: usize,
}

impl Sequences {
    /// Takes `batch` sequences whose ids are below `ids`, for a convolution with a window of the given size and zero padding
    /// before and behind each sequence.
    ///
    /// # Errors
    /// An id without a vector, and sizes that are too large or too small.
    pub fn new(values: &[i64], batch: usize, ids: usize, window: usize, padding: [usize; 2]) -> Result<Self> {
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
        check_memory("embedding_conv1d: the padded sequences", &[batch, padded])?;
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
        Ok(Self { rows, batch, padded, ids, window })
    }

    /// Returns the number of sequences.
    pub fn batch(&self) -> usize {
        self.batch
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
        let Self { rows, padded, ids, window, .. } = self;
        Sequence { rows: &rows[n * padded..][..*padded], window: *window, table_rows: (ids + 1) * window }
    }
}

impl Sequence<'_> {
    /// Returns the number of outputs of a filter.
    pub fn positions(self) -> usize {
        self.rows.len() - self.window + 1
    }

    /// Writes the outputs from the position `first` on: `start` and the sum of the rows in the window.
    #[inline(always)]
    pub fn sum_rows<S: Simd, const V: usize>(
        self,
        simd: S,
        table: &[f32],
        start: Row<S, V>,
        first: usize,
        out: &mut [Row<S, V>],
    ) {
        let rows = &self.rows[first..];
        let (whole, rest) = out.as_chunks_mut::<POSITIONS_AT_ONCE>();
        let done = whole.len() * POSITIONS_AT_ONCE;
        for (i, out) in whole.iter_mut().enumerate() {
            *out = self.sums(simd, table, start, &rows[i * POSITIONS_AT_ONCE..]);
        }
        for (i, out) in rest.iter_mut().enumerate() {
            [*out] = self.sums(simd, table, start, &rows[done + i..]);
        }
    }

    /// Returns `P` neighbouring outputs.
    #[inline(always)]
    fn sums<S: Simd, const V: usize, const P: usize>(
        self,
        simd: S,
        table: &[f32],
        start: Row<S, V>,
        rows: &[u32],
    ) -> [Row<S, V>; P] {
        let (table, rows) = (&vectors::<S, V>(table)[..self.table_rows], &rows[..P + self.window - 1]);
        let mut sums = [start; P];
        for place in 0..self.window {
            for (p, sum) in sums.iter_mut().enumerate() {
                // SAFETY: p + place < P + window − 1, the length of `rows`, and a first row is at most table_rows − window.
                let row = unsafe { *table.get_unchecked(*rows.get_unchecked(p + place) as usize + place) };
                *sum = add::<S, V>(simd, *sum, row);
            }
        }
        sums
    }

    /// Adds the gradients of the outputs from the position `first` on to the rows that were their terms.
    #[inline(always)]
    pub fn add_to_rows<S: Simd, const V: usize>(
        self,
        simd: S,
        first: usize,
        gradients: &[Row<S, V>],
        table: &mut [f32],
    ) {
        let table = &mut vectors_mut::<S, V>(table)[..self.table_rows];
        for (rows, &gradient) in self.rows[first..].windows(self.window).zip(gradients) {
            for (place, &row) in rows.iter().enumerate() {
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
        let sequences = Sequences::new(&[0, 2, 1, 2], 2, 3, 2, [1, 0]).unwrap();
        assert_eq!(sequences.rows, [6, 0, 4, 6, 2, 4]);
        assert_eq!((sequences.positions(), sequences.table_len()), (2, 4 * 2 * BLOCK_WIDTH));
        assert_eq!(sequences.sequence(1).rows, [6, 2, 4]);
    }

    #[test]
    fn what_a_table_cannot_hold_is_an_error() {
        for id in [-1, 3, i64::MAX, i64::MIN] {
            assert!(Sequences::new(&[0, id], 1, 3, 2, [0, 0]).is_err(), "{id}");
        }
        for (window, padding) in [(0, [0, 0]), (4, [1, 0]), (2, [usize::MAX, 0]), (usize::MAX, [usize::MAX - 2, 0])] {
            assert!(Sequences::new(&[0, 1], 1, 3, window, padding).is_err(), "{window}, {padding:?}");
        }
        assert!(Sequences::new(&[], 1, 3, 1, [0, 0]).is_err());
        assert!(Sequences::new(&[0], 1, usize::MAX, 1, [0, 0]).is_err());
        assert!(Sequences::new(&[0], 1, 1 << 31, 2, [1, 1]).is_err());
    }
}
