//! A fully connected layer for few inputs or few outputs, as dot products of the inputs with the rows of the weight matrix.
//! Both are read as they are; a general matrix product would first copy the weights into packed blocks, which takes longer
//! than so small a product itself.

use pulp::Simd;

use super::simd::{BLOCK_WIDTH, Kernel, Row, vectors};

/// The number of rows of the weight matrix per pass over an input: half of ten classes, and enough independent sums to
/// keep the multipliers busy.
pub const ROWS_PER_PASS: usize = 5;

/// Computes `y = x · Wᵀ + b`.
pub struct DotProducts<'a> {
    /// The inputs, (N, D).
    pub x: &'a [f32],
    /// The weight matrix, (K, D).
    pub weight: &'a [f32],
    /// The number of values of an input, D.
    pub inputs: usize,
    /// The bias, (K).
    pub bias: Option<&'a [f32]>,
    /// True to apply ReLU.
    pub relu: bool,
    /// The result, (N, K).
    pub y: &'a mut [f32],
}

impl Kernel for DotProducts<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        // AVX-512 has registers for the sums of four inputs at a time.
        if V == 1 { self.in_blocks::<S, V, 4>(simd) } else { self.in_blocks::<S, V, 1>(simd) }
    }
}

impl DotProducts<'_> {
    /// Computes all results, `B` inputs at a time as long as there are as many.
    #[inline(always)]
    fn in_blocks<S: Simd, const V: usize, const B: usize>(mut self, simd: S) {
        let outputs = self.weight.len() / self.inputs;
        let batch = self.y.len() / outputs;
        let whole = batch / B * B;
        for n in (0..whole).step_by(B) {
            for row in (0..outputs).step_by(ROWS_PER_PASS) {
                self.block::<S, V, B>(simd, n, row);
            }
        }
        for n in whole..batch {
            for row in (0..outputs).step_by(ROWS_PER_PASS) {
                self.block::<S, V, 1>(simd, n, row);
            }
        }
    }

    /// Computes the results of `B` inputs with up to [`ROWS_PER_PASS`] rows of the weight matrix.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const B: usize>(&mut self, simd: S, n: usize, row: usize) {
        let Self { x, weight, inputs, bias, relu, y } = self;
        let outputs = weight.len() / *inputs;
        let floor = if *relu { 0. } else { f32::NEG_INFINITY };
        let x: [&[f32]; B] = std::array::from_fn(|b| &x[(n + b) * *inputs..][..*inputs]);
        let rows = std::array::from_fn(|r| &weight[(row + r).min(outputs - 1) * *inputs..][..*inputs]);
        let products = dot_products::<S, V, B>(simd, x, rows);
        for (y, products) in y[n * outputs..].chunks_exact_mut(outputs).zip(products) {
            for ((k, y), product) in (row..outputs).zip(&mut y[row..]).zip(products) {
                let v = bias.map_or(product, |bias| product + bias[k]);
                // Not `max`, so that NaN stays NaN.
                *y = if v < floor { floor } else { v };
            }
        }
    }
}

/// Returns the dot products of each of the inputs with each of the rows.
#[inline(always)]
fn dot_products<S: Simd, const V: usize, const B: usize>(
    simd: S,
    x: [&[f32]; B],
    rows: [&[f32]; ROWS_PER_PASS],
) -> [[f32; ROWS_PER_PASS]; B] {
    let len = rows[0].len();
    let whole = len / BLOCK_WIDTH;
    let vectors_of_x = x.map(|x| &vectors::<S, V>(x)[..whole]);
    let vectors_of_rows = rows.map(|row| &vectors::<S, V>(row)[..whole]);
    let mut sums: [[Row<S, V>; ROWS_PER_PASS]; B] = [[[simd.splat_f32s(0.); V]; ROWS_PER_PASS]; B];
    assert!(vectors_of_x.iter().chain(&vectors_of_rows).all(|vectors| vectors.len() == whole));
    for i in 0..whole {
        // SAFETY: all lengths are `whole`.
        let rows: [Row<S, V>; ROWS_PER_PASS] = std::array::from_fn(|r| unsafe { *vectors_of_rows[r].get_unchecked(i) });
        for (sums, x) in sums.iter_mut().zip(&vectors_of_x) {
            // SAFETY: as above.
            let x = unsafe { x.get_unchecked(i) };
            for (sums, row) in sums.iter_mut().zip(&rows) {
                for ((sum, &row), &x) in sums.iter_mut().zip(row).zip(x) {
                    *sum = simd.mul_add_e_f32s(row, x, *sum);
                }
            }
        }
    }
    let first = whole * BLOCK_WIDTH;
    let mut products = [[0.; ROWS_PER_PASS]; B];
    // Loops rather than `map` and `fold`, whose closures may be compiled without vector instructions.
    for b in 0..B {
        for r in 0..ROWS_PER_PASS {
            let mut sum = simd.splat_f32s(0.);
            for &part in &sums[b][r] {
                sum = simd.add_f32s(sum, part);
            }
            let mut tail = 0.;
            for (x, w) in x[b][first..].iter().zip(&rows[r][first..]) {
                tail += x * w;
            }
            products[b][r] = simd.reduce_sum_f32s(sum) + tail;
        }
    }
    products
}
