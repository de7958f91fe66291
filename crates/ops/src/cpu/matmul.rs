//! Matrix products with the `gemm` crate, each on one thread: the callers are parallel over rows.

use gemm::{Parallelism, gemm};

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Wraps `rows` × `columns` values in row-major order.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns);
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// Returns the transposed matrix on the same values.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Writes `a · b` to `out`, in row-major order.
pub fn matmul(out: &mut [f32], a: Matrix, b: Matrix) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows);
    assert_eq!(out.len(), m * n);
    if k == 0 {
        out.fill(0.);
    }
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let accumulate = false;
    // SAFETY: `Matrix::new` has checked that there are rows × columns values behind each pointer, and a transposition
    // only swaps the strides. `out` holds m × n values and, being a unique borrow, overlaps neither input.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.,
            1.,
            false,
            false,
            false,
            Parallelism::None,
        )
    }
}
