//! ReLU, and the mask its gradient is.

use super::isa::vectorised;
use super::parallel;

const CHUNK: usize = 1 << 14;

/// `max(x, 0)`; NaN stays NaN.
pub fn forward(x: &[f32]) -> Vec<f32> {
    let mut y = vec![0f32; x.len()];
    parallel::chunks(&mut y, CHUNK, x.len(), |i, y| {
        y.iter_mut().zip(&x[i * CHUNK..]).for_each(|(y, &x)| *y = if x < 0. { 0. } else { x });
    });
    y
}

/// The gradient behind a ReLU whose result was `y`: 0 where that is 0.
pub fn backward(y: &[f32], dy: &[f32]) -> Vec<f32> {
    let mut dx = vec![0f32; y.len()];
    parallel::chunks(&mut dx, CHUNK, y.len(), |i, dx| mask(&y[i * CHUNK..], &dy[i * CHUNK..], dx));
    dx
}

vectorised! {
/// [`backward`] on one thread.
pub fn mask<'a>(y: &'a [f32], dy: &'a [f32], dx: &'a mut [f32]) {
    for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
        *dx = if y > 0. { dy } else { 0. };
    }
}
}
