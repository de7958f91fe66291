//! Matrix products whose bits depend on nothing but the values, the sizes and the instruction set.
//!
//! Each element of a product is a sum over the inner dimension. It is split into blocks of [`DEPTH`] terms; the terms of
//! a block are added from the first to the last, and the blocks' sums likewise. Every lane of a vector belongs to another
//! element, so neither the width of the vectors, nor the sizes of register blocks and parallel tasks, nor the caches
//! change a sum. Instruction sets differ only in whether a multiplication and an addition are rounded once (all but
//! `portable`) or twice.

mod kernel;
mod pack;

use super::{
    parallel, scratch,
    simd::{BLOCK_WIDTH, dispatch},
};
use kernel::Product;
use pack::Panels;

/// The number of terms that are added before their sum is added to those before: as many as make the columns and rows
/// that a register block multiplies fit the first-level cache. It is part of what determines the result.
const DEPTH: usize = 128;

/// The rows of a parallel task are a multiple of this, so that its register blocks are full.
const ROW_MULTIPLE: usize = 6;

/// The right matrix is read in place if the left one has at most this number of rows or columns.
const MAX_IN_PLACE: usize = 16;

/// The number of floating-point operations from which on [`product`] is divided between threads.
const MIN_DIVIDED_FLOPS: usize = 1 << 19;

/// A matrix in a slice.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    is_transposed: bool,
}

impl<'a> Matrix<'a> {
    /// Wraps `rows` × `columns` values in row-major order.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(Some(values.len()), rows.checked_mul(columns));
        Self { values, rows, columns, is_transposed: false }
    }

    /// Returns the transposed matrix on the same values.
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, is_transposed: !self.is_transposed, ..self }
    }
}

/// A right matrix that is copied once, for products with many left ones.
pub struct Packed {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Packed {
    /// Copies the matrix.
    pub fn new(b: Matrix) -> Self {
        let mut values = vec![0.; pack::len(&b, &(0..b.columns), false)];
        Panels::new(&b, 0..b.columns, false, &mut values);
        Self { values, rows: b.rows, columns: b.columns }
    }
}

/// Writes `a · b` to `out`, in row-major order, in parallel over rows. `finish` is then called with the rows of each task,
/// while they are still in the cache.
pub fn matmul(out: &mut [f32], a: Matrix, b: Matrix, finish: impl Fn(&mut [f32]) + Sync) {
    let in_place = reads_in_place(&a, &b);
    scratch::with([pack::len(&b, &(0..b.columns), in_place)], |[packed]| {
        with_panels(out, a, Panels::new(&b, 0..b.columns, in_place, packed), [b.rows, b.columns], finish);
    });
}

/// Does what [`matmul`] does, without a copy of `b`.
pub fn matmul_packed(out: &mut [f32], a: Matrix, b: &Packed, finish: impl Fn(&mut [f32]) + Sync) {
    with_panels(out, a, Panels::packed(&b.values, b.rows), [b.rows, b.columns], finish);
}

/// Returns whether `b` is read where it is. Copying costs more than it saves where few rows use the copy, or where a panel is small
/// and stays in the cache.
fn reads_in_place(a: &Matrix, b: &Matrix) -> bool {
    !b.is_transposed && a.rows.min(a.columns) <= MAX_IN_PLACE
}

/// Computes [`matmul`] with the panels of a right matrix of this size.
fn with_panels(
    out: &mut [f32],
    a: Matrix,
    b: Panels,
    [depth, columns]: [usize; 2],
    finish: impl Fn(&mut [f32]) + Sync,
) {
    assert_eq!(Some(out.len()), a.rows.checked_mul(columns));
    assert_eq!(depth, a.columns);
    let rows_per_task = a.rows.div_ceil(parallel::threads()).next_multiple_of(ROW_MULTIPLE);
    parallel::chunks(out, rows_per_task * columns, 2 * a.rows * columns * depth, |i, out| {
        let mut rows: Vec<_> = out.chunks_exact_mut(columns).collect();
        block(&mut rows, &a, i * rows_per_task, b, columns);
        finish(out);
    });
}

/// Returns `a · b` in row-major order, computed as [`matmul`] does, but in parallel over columns unless there are more rows.
/// `finish` is called with each part of a row and the number of its first column.
///
/// A task for some columns copies those of `b` that it multiplies, so that they stay on its core: to read what another core has
/// just written takes longer than to multiply it where there are few rows.
pub fn product(a: Matrix, b: Matrix, finish: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    assert_eq!(b.rows, a.columns);
    if a.rows == 0 {
        return Vec::new();
    }
    let flops = 2 * a.rows * b.columns * b.rows;
    if a.rows > b.columns && flops >= MIN_DIVIDED_FLOPS {
        let mut out = vec![0.; a.rows * b.columns];
        matmul(&mut out, a, b, |rows| rows.chunks_exact_mut(b.columns).for_each(|row| finish(0, row)));
        return out;
    }
    let parts = if flops < MIN_DIVIDED_FLOPS { 1 } else { parallel::threads() };
    let width = b.columns.div_ceil(parts).next_multiple_of(BLOCK_WIDTH);
    parallel::filled_columns([a.rows, b.columns], width, flops, |i, rows| {
        let columns = i * width..b.columns.min((i + 1) * width);
        let in_place = reads_in_place(&a, &b);
        scratch::with([pack::len(&b, &columns, in_place)], |[packed]| {
            let (first, count) = (columns.start, columns.len());
            block(rows, &a, 0, Panels::new(&b, columns, in_place, packed), count);
            rows.iter_mut().for_each(|row| finish(first, row));
        });
    })
}

/// Writes the product of some rows of `a`, from number `first` on, with the panels of `columns` columns.
fn block(out: &mut [&mut [f32]], a: &Matrix, first: usize, b: Panels, columns: usize) {
    if a.columns == 0 {
        return out.iter_mut().for_each(|row| row.fill(0.));
    }
    pack::with_rows(a, first, out.len(), |values| {
        dispatch(Product { a: values, b, depth: a.columns, columns, out: &mut *out });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::instruction_set;
    use proptest::{prelude::*, test_runner::TestCaseError};

    /// A product that the tests compute.
    #[derive(Debug, Clone, Copy)]
    struct Case {
        rows: usize,
        columns: usize,
        depth: usize,
        /// For each operand, true if it is stored transposed.
        transposed: [bool; 2],
        seed: u32,
    }

    impl Case {
        /// Returns the operands as stored.
        fn operands(&self) -> [Vec<f32>; 2] {
            let lens = [self.rows * self.depth, self.depth * self.columns];
            let mut state = self.seed | 1;
            lens.map(|len| {
                let mut value = || {
                    state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                    (state >> 8) as f32 / (1 << 23) as f32 - 1.
                };
                (0..len).map(|_| value()).collect()
            })
        }

        fn matrices<'a>(&self, [a, b]: &'a [Vec<f32>; 2]) -> [Matrix<'a>; 2] {
            let matrix = |values, rows, columns, transposed| match transposed {
                true => Matrix::new(values, columns, rows).transposed(),
                false => Matrix::new(values, rows, columns),
            };
            let [a_transposed, b_transposed] = self.transposed;
            [matrix(a, self.rows, self.depth, a_transposed), matrix(b, self.depth, self.columns, b_transposed)]
        }

        fn product(&self, operands: &[Vec<f32>; 2], threads: usize) -> Vec<f32> {
            let [a, b] = self.matrices(operands);
            let mut out = vec![f32::NAN; self.rows * self.columns];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| matmul(&mut out, a, b, |_| ()));
            assert!(out == pool.install(|| product(a, b, |_, _| ())), "in parallel over columns: {self:?}");
            out
        }

        /// Returns the factors of the terms of each element, in order.
        fn terms<'a>(&'a self, operands: &'a [Vec<f32>; 2]) -> impl Iterator<Item = Vec<[f32; 2]>> + 'a {
            let [a, b] = self.matrices(operands);
            let at = |m: &Matrix, row, column| {
                m.values[if m.is_transposed { column * m.rows + row } else { row * m.columns + column }]
            };
            let elements = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
            elements.map(move |(row, column)| (0..self.depth).map(|k| [at(&a, row, k), at(&b, k, column)]).collect())
        }
    }

    /// Adds the products of the factors in the order that the module's documentation gives.
    fn in_order(terms: &[[f32; 2]]) -> f32 {
        let fused = instruction_set() != "portable";
        let add = |sum: f32, &[a, b]: &[f32; 2]| if fused { a.mul_add(b, sum) } else { a * b + sum };
        let blocks = terms.chunks(DEPTH).map(|block| block.iter().fold(0., add));
        blocks.reduce(|sum, block| sum + block).unwrap_or(0.)
    }

    fn check(case: Case, threads: usize) -> Result<(), TestCaseError> {
        let operands = case.operands();
        let product = case.product(&operands, threads);
        for (element, (terms, &value)) in case.terms(&operands).zip(&product).enumerate() {
            prop_assert_eq!(value.to_bits(), in_order(&terms).to_bits(), "element {} of {:?}", element, case);
            let exact: f64 = terms.iter().map(|&[a, b]| f64::from(a) * f64::from(b)).sum();
            let magnitude: f64 = terms.iter().map(|&[a, b]| f64::from(a * b).abs()).sum();
            let roundings = case.depth.min(DEPTH) + case.depth.div_ceil(DEPTH) + 1;
            prop_assert!((f64::from(value) - exact).abs() <= roundings as f64 * f64::from(f32::EPSILON) * magnitude);
        }
        Ok(())
    }

    fn cases() -> impl Strategy<Value = Case> {
        let depth = prop_oneof![0usize..40, (0usize..4, 0usize..3).prop_map(|(blocks, more)| blocks * DEPTH + more)];
        (0usize..40, 0usize..70, depth, any::<[bool; 2]>(), any::<u32>())
            .prop_map(|(rows, columns, depth, transposed, seed)| Case { rows, columns, depth, transposed, seed })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn every_element_is_the_sum_in_the_order_of_the_definition_on_any_number_of_threads(
            case in cases(), threads in 1usize..6
        ) {
            check(case, threads)?;
        }
    }

    #[test]
    fn a_task_finishes_its_own_rows_or_columns() {
        // Both are large enough to be divided, by columns and by rows.
        tasks_finish_their_own(Case { rows: 37, columns: 50, depth: 300, transposed: [false; 2], seed: 3 });
        tasks_finish_their_own(Case { rows: 50, columns: 37, depth: 300, transposed: [false, true], seed: 4 });
    }

    fn tasks_finish_their_own(case: Case) {
        let operands = case.operands();
        let [a, b] = case.matrices(&operands);
        let expected: Vec<f32> = case.product(&operands, 1).iter().map(|v| v + 1.).collect();
        for threads in [1, 3] {
            let mut out = vec![0.; case.rows * case.columns];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| matmul(&mut out, a, b, |rows| rows.iter_mut().for_each(|v| *v += 1.)));
            assert!(out == expected, "{threads} threads");
            let number = |first: usize, row: &mut [f32]| (first..).zip(row).for_each(|(column, v)| *v = column as f32);
            let out = pool.install(|| product(a, b, number));
            assert!(out.iter().enumerate().all(|(i, &v)| v == (i % case.columns) as f32), "{threads} threads");
            assert!(case.product(&operands, threads).iter().zip(&expected).all(|(v, e)| v + 1. == *e));
        }
    }
}
