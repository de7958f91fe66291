//! The order in which the kernel reads matrices: rows of the left one, and panels of [`BLOCK_WIDTH`] columns of the right
//! one.

use super::Matrix;
use crate::cpu::{isa::vectorised, parallel, scratch, simd::BLOCK_WIDTH, transpose::transpose};

/// The columns of a matrix in panels of [`BLOCK_WIDTH`], row by row. The last panel is padded with zeros.
pub struct Panels<'a> {
    values: &'a [f32],
    rows: usize,
}

/// Returns the number of values of all panels.
pub fn len(matrix: &Matrix) -> usize {
    matrix.columns.div_ceil(BLOCK_WIDTH) * BLOCK_WIDTH * matrix.rows
}

impl<'a> Panels<'a> {
    /// Copies the columns of a matrix, in parallel, to a buffer of [`len`] values.
    pub fn new(matrix: &Matrix, buffer: &'a mut [f32]) -> Self {
        let &Matrix { values, rows, columns, is_transposed } = matrix;
        let copies = 4 * buffer.len();
        parallel::chunks(buffer, rows * BLOCK_WIDTH, copies, |panel, to| {
            let first = panel * BLOCK_WIDTH;
            let count = BLOCK_WIDTH.min(columns - first);
            if is_transposed {
                transpose_panel(&values[first * rows..][..count * rows], rows, to);
            } else {
                copy_panel(&values[first..], columns, count, to);
            }
        });
        Self { values: buffer, rows }
    }

    /// Returns some rows of a panel.
    pub fn rows(&self, panel: usize, rows: std::ops::Range<usize>) -> &'a [f32] {
        let first = panel * self.rows;
        &self.values[(first + rows.start) * BLOCK_WIDTH..(first + rows.end) * BLOCK_WIDTH]
    }
}

vectorised! {
/// Writes rows of `rows` values as the columns of a panel.
fn transpose_panel<'a>(from: &'a [f32], rows: usize, to: &'a mut [f32]) {
    let count = from.len() / rows;
    if count < BLOCK_WIDTH {
        to.fill(0.);
    }
    transpose(from, rows, to, BLOCK_WIDTH, [count, rows]);
}
}

/// Copies `count` values of each row to a panel.
fn copy_panel(from: &[f32], stride: usize, count: usize, to: &mut [f32]) {
    for (to, from) in to.as_chunks_mut::<BLOCK_WIDTH>().0.iter_mut().zip(from.chunks(stride)) {
        if count == BLOCK_WIDTH {
            to.copy_from_slice(&from[..BLOCK_WIDTH]);
        } else {
            to.fill(0.);
            to[..count].copy_from_slice(&from[..count]);
        }
    }
}

/// Calls `f` with some rows of a matrix in row-major order, which are copied only if the matrix is transposed.
pub fn with_rows(matrix: &Matrix, first: usize, count: usize, f: impl FnOnce(&[f32])) {
    let &Matrix { values, rows, columns, is_transposed } = matrix;
    if !is_transposed {
        return f(&values[first * columns..][..count * columns]);
    }
    scratch::with([count * columns], |[copy]| {
        transpose_rows(&values[first..], rows, [columns, count], copy);
        f(copy);
    });
}

vectorised! {
/// Transposes a matrix of this size, whose rows are `stride` values apart.
fn transpose_rows<'a>(from: &'a [f32], stride: usize, size: [usize; 2], to: &'a mut [f32]) {
    transpose(from, stride, to, size[0], size);
}
}
