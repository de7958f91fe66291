//! Planes laid out so that each step of a reduction over their positions fills a vector: small planes side by side, a
//! position of each in a row of [`BLOCK_WIDTH`] values; a large plane alone, [`BLOCK_WIDTH`] neighbouring positions in a
//! row.

use super::{simd::BLOCK_WIDTH, transpose::transpose};

/// The largest number of positions of planes that lie side by side. A block of them fits the first-level cache; for
/// larger ones the transposition is not worth its time.
const MOST_SIDE_BY_SIDE: usize = 256;

/// The number of terms that are added before their sum is added to those before.
const ROWS_PER_SUM: usize = 64;

/// A value for each lane of a row.
pub type Lanes = [f32; BLOCK_WIDTH];

/// How planes of one size lie in rows.
#[derive(Debug, Clone, Copy)]
pub struct PlaneLanes {
    /// The number of values of a plane.
    plane: usize,
}

impl PlaneLanes {
    /// Takes the number of values of a plane.
    pub fn new(plane: usize) -> Self {
        Self { plane }
    }

    /// Returns whether several planes are laid out together.
    #[inline(always)]
    pub fn is_side_by_side(self) -> bool {
        self.plane <= MOST_SIDE_BY_SIDE
    }

    /// Returns the number of planes that are laid out together.
    pub fn planes(self) -> usize {
        if self.is_side_by_side() { BLOCK_WIDTH } else { 1 }
    }

    /// Returns the number of values of a block of planes in rows.
    pub fn len(self) -> usize {
        if self.is_side_by_side() { self.plane * BLOCK_WIDTH } else { self.plane.next_multiple_of(BLOCK_WIDTH) }
    }

    /// Lays out up to [`planes`](Self::planes) planes. Values that belong to none of them are those of the first.
    #[inline(always)]
    pub fn lay(self, planes: &[f32], rows: &mut [f32]) {
        if !self.is_side_by_side() {
            rows[..planes.len()].copy_from_slice(planes);
            return self.fill_rest(rows, planes[0]);
        }
        let count = planes.len() / self.plane;
        transpose(planes, self.plane, rows, BLOCK_WIDTH, [count, self.plane]);
        if count < BLOCK_WIDTH {
            for row in rows.as_chunks_mut::<BLOCK_WIDTH>().0 {
                let first = row[0];
                row[count..].fill(first);
            }
        }
    }

    /// Sets the values after the end of a plane that lies alone, which no sum may contain.
    #[inline(always)]
    pub fn fill_rest(self, rows: &mut [f32], value: f32) {
        if !self.is_side_by_side() {
            rows[self.plane..].fill(value);
        }
    }

    /// Copies the planes from the rows.
    #[inline(always)]
    pub fn gather(self, rows: &[f32], planes: &mut [f32]) {
        if self.is_side_by_side() {
            let size = [self.plane, planes.len() / self.plane];
            transpose(rows, BLOCK_WIDTH, planes, self.plane, size);
        } else {
            planes.copy_from_slice(&rows[..planes.len()]);
        }
    }

    /// Returns the maximum of each plane, in its lane; that of a plane that lies alone is in every lane. NaN is passed
    /// over.
    #[inline(always)]
    pub fn maxima(self, rows: &[f32]) -> Lanes {
        let mut max = [f32::NEG_INFINITY; BLOCK_WIDTH];
        for row in rows.as_chunks::<BLOCK_WIDTH>().0 {
            for lane in 0..BLOCK_WIDTH {
                max[lane] = if row[lane] > max[lane] { row[lane] } else { max[lane] };
            }
        }
        if self.is_side_by_side() { max } else { [max.into_iter().fold(f32::NEG_INFINITY, f32::max); BLOCK_WIDTH] }
    }

    /// Returns the sum of each plane, in its lane; that of a plane that lies alone is in every lane.
    #[inline(always)]
    pub fn sums(self, rows: &[f32]) -> Lanes {
        let mut totals = [0f32; BLOCK_WIDTH];
        for rows in rows.chunks(ROWS_PER_SUM * BLOCK_WIDTH) {
            let mut sums = [0f32; BLOCK_WIDTH];
            for row in rows.as_chunks::<BLOCK_WIDTH>().0 {
                for lane in 0..BLOCK_WIDTH {
                    sums[lane] += row[lane];
                }
            }
            for lane in 0..BLOCK_WIDTH {
                totals[lane] += sums[lane];
            }
        }
        if self.is_side_by_side() { totals } else { [totals.into_iter().sum(); BLOCK_WIDTH] }
    }
}
