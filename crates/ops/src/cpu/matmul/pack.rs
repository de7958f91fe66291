//! The order in which the kernel reads matrices: rows of the left one, and panels of [`BLOCK_WIDTH`] columns of the right
//! one.

use std::ops::Range;

use super::Matrix;
use crate::cpu::{isa::vectorised, parallel, scratch, simd::BLOCK_WIDTH, transpose::transpose};

/// The columns of a matrix in panels of [`BLOCK_WIDTH`]. Columns that the matrix lacks in its last panel are zeros.
#[derive(Clone, Copy)]
pub struct Panels<'a> {
    whole: Layout<'a>,
    /// The last panel of a matrix that is read in place and whose columns do not fill it.
    last: Option<(usize, Layout<'a>)>,
}

/// Where the rows of panels lie.
#[derive(Clone, Copy)]
struct Layout<'a> {
    values: &'a [f32],
    panel_stride: usize,
    row_stride: usize,
}

/// Some rows of a panel.
#[derive(Clone, Copy)]
pub struct PanelRows<'a> {
    /// The values from the first one of the first row to the last one of the last row.
    pub values: &'a [f32],
    /// The distance of two rows.
    pub stride: usize,
}

/// Returns the number of values that [`Panels::new`] copies of these columns of a matrix: all of them, or only the last panel if
/// they are read in place.
pub fn len(matrix: &Matrix, columns: &Range<usize>, in_place: bool) -> usize {
    let panels = if in_place {
        usize::from(!columns.len().is_multiple_of(BLOCK_WIDTH))
    } else {
        columns.len().div_ceil(BLOCK_WIDTH)
    };
    panels * BLOCK_WIDTH * matrix.rows
}

impl<'a> Panels<'a> {
    /// Takes some columns of a matrix, which are copied, in parallel, to a buffer of [`len`] values. Those of a matrix that is not
    /// transposed can also be read in place.
    pub fn new(matrix: &Matrix<'a>, columns: Range<usize>, in_place: bool, buffer: &'a mut [f32]) -> Self {
        let &Matrix { values, rows, columns: stride, is_transposed } = matrix;
        let first_panel = if in_place { columns.len() / BLOCK_WIDTH } else { 0 };
        let copies = 4 * buffer.len();
        parallel::chunks(buffer, rows * BLOCK_WIDTH, copies, |panel, to| {
            let first = columns.start + (first_panel + panel) * BLOCK_WIDTH;
            let count = BLOCK_WIDTH.min(columns.end - first);
            if is_transposed {
                transpose_panel(&values[first * rows..][..count * rows], rows, to);
            } else {
                copy_panel(&values[first..], stride, count, to);
            }
        });
        let packed = Self::packed(buffer, rows);
        if in_place {
            let values = &values[columns.start..];
            let whole = Layout { values, panel_stride: BLOCK_WIDTH, row_stride: stride };
            Self { whole, last: (!packed.whole.values.is_empty()).then_some((first_panel, packed.whole)) }
        } else {
            packed
        }
    }

    /// Wraps all panels of a matrix with this number of rows, as [`Panels::new`] has copied them.
    pub fn packed(values: &'a [f32], rows: usize) -> Self {
        Self { whole: Layout { values, panel_stride: rows * BLOCK_WIDTH, row_stride: BLOCK_WIDTH }, last: None }
    }

    /// Returns some rows of a panel.
    #[inline(always)]
    pub fn rows(&self, panel: usize, rows: &Range<usize>) -> PanelRows<'a> {
        let (layout, panel) = match self.last {
            Some((last, layout)) if panel == last => (layout, 0),
            _ => (self.whole, panel),
        };
        let Layout { values, panel_stride, row_stride: stride } = layout;
        let start = panel * panel_stride + rows.start * stride;
        PanelRows { values: &values[start..][..(rows.len() - 1) * stride + BLOCK_WIDTH], stride }
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
