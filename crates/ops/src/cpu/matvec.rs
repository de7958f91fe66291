//! A fully connected layer for few inputs: dot products along the rows of the weights, which are read once and in order.
//! (A general matrix product first copies its operands into blocks, more work than the product itself here.)

use super::tile::{Kernel, Row, WIDTH, vectors};
use pulp::Simd;

/// Rows of the weights that are gone through together, enough sums to keep the multipliers busy.
const ROWS: usize = 4;

/// `y = x · Wᵀ + b`, for each input on its own.
pub struct MatVec<'a> {
    /// (N, D)
    pub x: &'a [f32],
    /// (K, D)
    pub weight: &'a [f32],
    /// (K)
    pub bias: &'a [f32],
    /// ReLU on top.
    pub relu: bool,
    /// (N, K)
    pub y: &'a mut [f32],
}

impl Kernel for MatVec<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, weight, bias, relu, y } = self;
        let outputs = bias.len();
        let inputs = weight.len() / outputs;
        let floor = if relu { 0. } else { f32::NEG_INFINITY };
        for first in (0..outputs).step_by(ROWS) {
            let rows: [&[f32]; ROWS] =
                std::array::from_fn(|r| &weight[(first + r).min(outputs - 1) * inputs..][..inputs]);
            for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
                let products = dot::<S, V>(simd, x, &rows);
                for ((y, bias), product) in y[first..].iter_mut().zip(&bias[first..]).zip(products) {
                    let v = product + bias;
                    // Written so that NaN stays NaN.
                    *y = if v < floor { floor } else { v };
                }
            }
        }
    }
}

/// `x` times each row.
#[inline(always)]
fn dot<S: Simd, const V: usize>(simd: S, x: &[f32], rows: &[&[f32]; ROWS]) -> [f32; ROWS] {
    let whole = x.len() / WIDTH;
    let vectors_of_rows = rows.map(|row| &vectors::<S, V>(row)[..whole]);
    let mut sums: [Row<S, V>; ROWS] = [[simd.splat_f32s(0.); V]; ROWS];
    for (i, x) in vectors::<S, V>(x)[..whole].iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(vectors_of_rows) {
            for v in 0..V {
                sums[v] = simd.mul_add_e_f32s(row[i][v], x[v], sums[v]);
            }
        }
    }
    let rest = whole * WIDTH..x.len();
    std::array::from_fn(|r| {
        let sum = sums[r].into_iter().fold(simd.splat_f32s(0.), |sum, v| simd.add_f32s(sum, v));
        let tail: f32 = x[rest.clone()].iter().zip(&rows[r][rest.clone()]).map(|(x, w)| x * w).sum();
        simd.reduce_sum_f32s(sum) + tail
    })
}
