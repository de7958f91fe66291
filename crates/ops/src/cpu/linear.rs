//! Fully connected layers: `y = x · Wᵀ + b` with x (N, D), W (K, D) and y (N, K).

use super::matmul::{Matrix, matmul};

/// Computes `x · Wᵀ + b` for `x` (N, D) and `weight` (K, D) as (N, K), then ReLU if `relu`.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [n, d, k]: [usize; 3], relu: bool) -> Vec<f32> {
    let mut y = vec![0f32; n * k];
    forward_into(x, weight, bias, [n, d, k], relu, &mut y);
    y
}

/// Computes [`forward`] into a given buffer.
pub fn forward_into(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [n, d, k]: [usize; 3], relu: bool, y: &mut [f32]) {
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
    let mut dx = vec![0f32; n * d];
    matmul(&mut dx, Matrix::new(dy, n, k), Matrix::new(weight, k, d), |_| ());
    dx
}

/// Computes the gradient of the weights, `dW = dyᵀ · x`.
pub fn backward_weight(x: &[f32], dy: &[f32], [n, d, k]: [usize; 3]) -> Vec<f32> {
    let mut dw = vec![0f32; k * d];
    matmul(&mut dw, Matrix::new(dy, n, k).transposed(), Matrix::new(x, n, d), |_| ());
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
