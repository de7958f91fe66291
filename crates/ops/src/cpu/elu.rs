//! ELU (Clevert et al. 2015), value by value on buffers of any layout.

use super::parallel;

/// The number of values per parallel task.
const CHUNK: usize = 1 << 14;

/// About the number of operations of an exponential.
const FLOPS_PER_VALUE: usize = 16;

/// Computes `x` where x > 0, and `α·(eˣ − 1)` elsewhere; NaN stays NaN.
pub fn forward(x: &[f32], alpha: f32) -> Vec<f32> {
    let mut y = vec![0f32; x.len()];
    forward_into(x, alpha, &mut y, CHUNK);
    y
}

/// Computes [`forward`] into a given buffer with `chunk` values per parallel task.
pub fn forward_into(x: &[f32], alpha: f32, y: &mut [f32], chunk: usize) {
    parallel::chunks(y, chunk, FLOPS_PER_VALUE * x.len(), |i, y| {
        let values = y.iter_mut().zip(&x[i * chunk..]);
        values.for_each(|(y, &x)| *y = if x > 0. { x } else { alpha * x.exp_m1() });
    });
}

/// Computes the gradient of the input from the result `y` and its gradient: for x ≤ 0, the derivative α·eˣ is y + α. At NaN
/// it is that of the identity, as in PyTorch.
pub fn backward(y: &[f32], dy: &[f32], alpha: f32) -> Vec<f32> {
    parallel::filled(y.len(), CHUNK, y.len(), |i, dx| {
        let values = dx.zeroed().iter_mut().zip(&y[i * CHUNK..]).zip(&dy[i * CHUNK..]);
        values.for_each(|((dx, &y), &dy)| *dx = if y <= 0. { dy * (y + alpha) } else { dy });
    })
}
