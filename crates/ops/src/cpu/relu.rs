//! ReLU, and the mask its gradient is.

use super::isa::vectorised;
use super::parallel;

const CHUNK: usize = 1 << 14;

/// `max(x, 0)`; NaN stays NaN.
pub fn forward(x: &[f32]) -> Vec<f32> {
    parallel::filled(x.len(), CHUNK, x.len(), |i, y| {
        y.take_all().iter_mut().zip(&x[i * CHUNK..]).for_each(|(y, &x)| *y = if x < 0. { 0. } else { x });
    })
}

/// ReLU of `a + b`.
pub fn forward_sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    parallel::filled(a.len(), CHUNK, 2 * a.len(), |i, y| {
        let y = y.take_all();
        y.copy_from_slice(&a[i * CHUNK..][..y.len()]);
        sum(y, &b[i * CHUNK..]);
    })
}

/// Replaces `a` by ReLU of `a + b`.
pub fn forward_sum_into(a: &mut [f32], b: &[f32]) {
    let work = 2 * a.len();
    parallel::chunks(a, CHUNK, work, |i, a| sum(a, &b[i * CHUNK..]));
}

vectorised! {
fn sum<'a>(a: &'a mut [f32], b: &'a [f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        let x = *a + b;
        *a = if x < 0. { 0. } else { x };
    }
}
}

/// Adds `b` to `a`.
pub fn add_into(a: &mut [f32], b: &[f32]) {
    let work = a.len();
    parallel::chunks(a, CHUNK, work, |i, a| a.iter_mut().zip(&b[i * CHUNK..]).for_each(|(a, b)| *a += b));
}

/// The gradient behind a ReLU whose result was `y`: 0 where that is 0.
pub fn backward(y: &[f32], dy: &[f32]) -> Vec<f32> {
    parallel::filled(y.len(), CHUNK, y.len(), |i, dx| mask(&y[i * CHUNK..], &dy[i * CHUNK..], dx.take_all()))
}

vectorised! {
/// [`backward`] on one thread.
pub fn mask<'a>(y: &'a [f32], dy: &'a [f32], dx: &'a mut [f32]) {
    for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
        *dx = if y > 0. { dy } else { 0. };
    }
}
}
