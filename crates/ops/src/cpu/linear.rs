//! Fully connected layers: `y = x · Wᵀ + b` with x (N, D), W (K, D) and y (N, K).
//!
//! Each product is computed in parallel over blocks of rows of its result. The size of the blocks does not depend on the
//! number of threads.

use super::{
    matmul::{Matrix, matmul},
    parallel,
};

/// The number of rows of the result per parallel task.
const ROWS_PER_TASK: usize = 16;

/// Computes `x · Wᵀ + b` for `x` (N, D) and `weight` (K, D) as (N, K), then ReLU if `relu`.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [n, d, k]: [usize; 3], relu: bool) -> Vec<f32> {
    let mut y = vec![0f32; n * k];
    forward_into(x, weight, bias, [n, d, k], relu, &mut y);
    y
}

/// Computes [`forward`] into a given buffer.
pub fn forward_into(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [n, d, k]: [usize; 3], relu: bool, y: &mut [f32]) {
    let transposed = Matrix::new(weight, k, d).transposed();
    parallel::chunks(y, ROWS_PER_TASK * k, 2 * n * d * k, |i, y| {
        let rows = y.len() / k;
        matmul(y, Matrix::new(&x[i * ROWS_PER_TASK * d..][..rows * d], rows, d), transposed);
        for row in y.chunks_exact_mut(k) {
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
    let weight = Matrix::new(weight, k, d);
    parallel::filled(n * d, ROWS_PER_TASK * d, 2 * n * d * k, |i, dx| {
        let dx = dx.zeroed();
        let rows = dx.len() / d;
        matmul(dx, Matrix::new(&dy[i * ROWS_PER_TASK * k..][..rows * k], rows, k), weight);
    })
}

/// Computes the gradient of the weights, `dW = dyᵀ · x`.
pub fn backward_weight(x: &[f32], dy: &[f32], [n, d, k]: [usize; 3]) -> Vec<f32> {
    let mut dw = vec![0f32; k * d];
    let x = Matrix::new(x, n, d);
    parallel::chunks(&mut dw, ROWS_PER_TASK * d, 2 * n * d * k, |i, dw| {
        let rows = dw.len() / d;
        // Rows of dyᵀ are columns of dy: the task's are copied side by side first.
        let columns: Vec<f32> = dy.chunks_exact(k).flat_map(|row| &row[i * ROWS_PER_TASK..][..rows]).copied().collect();
        matmul(dw, Matrix::new(&columns, n, rows).transposed(), x);
    });
    dw
}

/// Computes the gradient of the bias, the sum of `dy` over the batch.
pub fn backward_bias(dy: &[f32], k: usize) -> Vec<f32> {
    let mut db = vec![0f32; k];
    for row in dy.chunks_exact(k) {
        db.iter_mut().zip(row).for_each(|(db, dy)| *db += dy);
    }
    db
}
