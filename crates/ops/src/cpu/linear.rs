//! Fully connected layer: `y = x · Wᵀ + b`, with x as N × D, W as K × D.
//!
//! Everything is cut into blocks of [`ROWS`] rows of the result, whatever the number of threads.

use super::matmul::{Matrix, matmul};
use super::parallel;

const ROWS: usize = 16;

/// `x` is (N, D), `weight` (K, D), the result (N, K); ReLU on top if asked for.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [n, d, k]: [usize; 3], relu: bool) -> Vec<f32> {
    let mut y = vec![0f32; n * k];
    forward_into(x, weight, bias, [n, d, k], relu, &mut y);
    y
}

/// [`forward`] into a given result.
pub fn forward_into(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [n, d, k]: [usize; 3], relu: bool, y: &mut [f32]) {
    let transposed = Matrix::new(weight, k, d).transposed();
    parallel::chunks(y, ROWS * k, 2 * n * d * k, |i, y| {
        let rows = y.len() / k;
        matmul(y, Matrix::new(&x[i * ROWS * d..][..rows * d], rows, d), transposed, false);
        for row in y.chunks_exact_mut(k) {
            if let Some(bias) = bias {
                row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            }
            if relu {
                // Written so that NaN stays NaN.
                row.iter_mut().for_each(|y| *y = if *y < 0. { 0. } else { *y });
            }
        }
    });
}

/// `dx = dy · W`.
pub fn backward_x(weight: &[f32], dy: &[f32], [n, d, k]: [usize; 3]) -> Vec<f32> {
    let weight = Matrix::new(weight, k, d);
    parallel::filled(n * d, ROWS * d, 2 * n * d * k, |i, dx| {
        let dx = dx.take_all();
        let rows = dx.len() / d;
        matmul(dx, Matrix::new(&dy[i * ROWS * k..][..rows * k], rows, k), weight, false);
    })
}

/// `dW = dyᵀ · x`. The rows of `dyᵀ` are columns of `dy`, so a block of them is gathered first.
pub fn backward_weight(x: &[f32], dy: &[f32], [n, d, k]: [usize; 3]) -> Vec<f32> {
    let mut dw = vec![0f32; k * d];
    let x = Matrix::new(x, n, d);
    parallel::chunks(&mut dw, ROWS * d, 2 * n * d * k, |i, dw| {
        let rows = dw.len() / d;
        let block: Vec<f32> = dy.chunks_exact(k).flat_map(|row| &row[i * ROWS..][..rows]).copied().collect();
        matmul(dw, Matrix::new(&block, n, rows).transposed(), x, false);
    });
    dw
}

/// `db = Σ dy` over the batch.
pub fn backward_bias(dy: &[f32], k: usize) -> Vec<f32> {
    let mut db = vec![0f32; k];
    for row in dy.chunks_exact(k) {
        db.iter_mut().zip(row).for_each(|(db, dy)| *db += dy);
    }
    db
}
