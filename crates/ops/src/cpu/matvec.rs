//! A fully connected layer for few inputs, as dot products with the rows of the weight matrix. The weights are read once
//! and in order; a general matrix product would first copy them into packed blocks, which takes longer than so small a
//! product itself.

use pulp::Simd;

use super::simd::{BLOCK_WIDTH, Kernel, Row, vectors};

/// The number of rows of the weight matrix per pass over an input: enough independent sums to keep the multipliers
/// busy.
const ROWS_PER_PASS: usize = 4;

/// Computes `y = x · Wᵀ + b`, one input after the other.
pub struct MatVec<'a> {
    /// The inputs, (N, D).
    pub x: &'a [f32],
    /// The weight matrix, (K, D).
    pub weight: &'a [f32],
    /// The bias, (K).
    pub bias: &'a [f32],
    /// True to apply ReLU.
    pub relu: bool,
    /// The result, (N, K).
    pub y: &'a mut [f32],
}

impl Kernel for MatVec<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, weight, bias, relu, y } = self;
        let outputs = bias.len();
        let inputs = weight.len() / outputs;
        let floor = if relu { 0. } else { f32::NEG_INFINITY };
        for first in (0..outputs).step_by(ROWS_PER_PASS) {
            let rows: [&[f32]; ROWS_PER_PASS] =
                std::array::from_fn(|r| &weight[(first + r).min(outputs - 1) * inputs..][..inputs]);
            for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
                let products = dot_products::<S, V>(simd, x, &rows);
                for ((y, bias), product) in y[first..].iter_mut().zip(&bias[first..]).zip(products) {
                    let v = product + bias;
                    // Not `max`, so that NaN stays NaN.
                    *y = if v < floor { floor } else { v };
                }
            }
        }
    }
}

/// Returns the dot product of `x` and each row.
#[inline(always)]
fn dot_products<S: Simd, const V: usize>(simd: S, x: &[f32], rows: &[&[f32]; ROWS_PER_PASS]) -> [f32; ROWS_PER_PASS] {
    let whole = x.len() / BLOCK_WIDTH;
    let vectors_of_rows = rows.map(|row| &vectors::<S, V>(row)[..whole]);
    let mut sums: [Row<S, V>; ROWS_PER_PASS] = [[simd.splat_f32s(0.); V]; ROWS_PER_PASS];
    for (i, x) in vectors::<S, V>(x)[..whole].iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(vectors_of_rows) {
            for v in 0..V {
                sums[v] = simd.mul_add_e_f32s(row[i][v], x[v], sums[v]);
            }
        }
    }
    let rest = whole * BLOCK_WIDTH..x.len();
    std::array::from_fn(|r| {
        let sum = sums[r].into_iter().fold(simd.splat_f32s(0.), |sum, v| simd.add_f32s(sum, v));
        let tail: f32 = x[rest.clone()].iter().zip(&rows[r][rest.clone()]).map(|(x, w)| x * w).sum();
        simd.reduce_sum_f32s(sum) + tail
    })
}
