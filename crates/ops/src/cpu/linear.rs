//! Fully connected layers: `y = x · Wᵀ + b` with x (N, D), W (K, D) and y (N, K).
//!
//! All sums have an order that follows from the shapes alone. Rows of a result may be divided into tasks by the number of
//! threads, because no sum runs over rows.

use super::{
    dot_products::DotProducts,
    matmul::{Matrix, matmul, product},
    parallel,
    simd::dispatch,
};

/// The largest number of inputs for which dot products are faster than a matrix product.
const MAX_DOT_PRODUCT_BATCH: usize = 8;

/// The largest number of outputs for which dot products are faster than a matrix product, if they are long enough.
const MAX_DOT_PRODUCT_OUTPUTS: usize = 16;

/// The least length of dot products that is worth the addition of the lanes at their end.
const MIN_DOT_PRODUCT_LEN: usize = 128;

/// Computes `x · Wᵀ + b` for `x` (N, D) and `weight` (K, D) as (N, K), then ReLU if `relu`.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [n, d, k]: [usize; 3], relu: bool) -> Vec<f32> {
    let mut y = vec![0f32; n * k];
    forward_into(x, weight, bias, [n, d, k], relu, &mut y);
    y
}

/// Computes [`forward`] into a given buffer.
pub fn forward_into(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [n, d, k]: [usize; 3], relu: bool, y: &mut [f32]) {
    if n <= MAX_DOT_PRODUCT_BATCH || k <= MAX_DOT_PRODUCT_OUTPUTS && d >= MIN_DOT_PRODUCT_LEN {
        let rows = n.div_ceil(parallel::threads()).next_multiple_of(MAX_DOT_PRODUCT_BATCH);
        return parallel::chunks(y, rows * k, 2 * n * d * k, |i, y| {
            let x = &x[i * rows * d..][..y.len() / k * d];
            dispatch(DotProducts { x, weight, inputs: d, bias, relu, y });
        });
    }
    matmul(y, Matrix::new(x, n, d), Matrix::new(weight, k, d).transposed(), |rows| {
        for row in rows.chunks_exact_mut(k) {
            if let Some(bias) = bias {
                row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            }
            if relu {
                // Not `max`, so that NaN stays NaN.
                row.iter_mut().for_each(|y| *y = if *y < 0. { 0. } else { *y });
            }
        }
    });
}

/// Computes the gradient of the input, `dx = dy · W`.
pub fn backward_x(weight: &[f32], dy: &[f32], [n, d, k]: [usize; 3]) -> Vec<f32> {
    product(Matrix::new(dy, n, k), Matrix::new(weight, k, d))
}

/// Computes the gradient of the weights, `dW = dyᵀ · x`.
pub fn backward_weight(x: &[f32], dy: &[f32], [n, d, k]: [usize; 3]) -> Vec<f32> {
    product(Matrix::new(dy, n, k).transposed(), Matrix::new(x, n, d))
}

/// Computes the gradient of the bias, the sum of `dy` over the batch.
pub fn backward_bias(dy: &[f32], k: usize) -> Vec<f32> {
    let mut db = vec![0f32; k];
    for row in dy.chunks_exact(k) {
        db.iter_mut().zip(row).for_each(|(db, dy)| *db += dy);
    }
    db
}
