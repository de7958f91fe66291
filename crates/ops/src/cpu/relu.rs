//! ReLU with PyTorch's gradient (0 at 0, and the gradient of the result at NaN), and sums followed by ReLU.

use super::{finish::Finish, isa::vectorised, parallel};

/// The number of values per parallel task.
const CHUNK: usize = 1 << 14;

/// Computes `max(x, 0)`; NaN stays NaN.
pub fn forward(x: &[f32]) -> Vec<f32> {
    parallel::filled(x.len(), CHUNK, x.len(), |i, y| {
        y.zeroed().iter_mut().zip(&x[i * CHUNK..]).for_each(|(y, &x)| *y = if x < 0. { 0. } else { x });
    })
}

/// Computes `max(a + b, 0)`; NaN stays NaN.
pub fn forward_sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    parallel::filled(a.len(), CHUNK, 2 * a.len(), |i, y| {
        let y = y.zeroed();
        y.copy_from_slice(&a[i * CHUNK..][..y.len()]);
        add_relu(y, &b[i * CHUNK..]);
    })
}

/// Replaces `a` by `max(a + b, 0)`; NaN stays NaN.
pub fn forward_sum_into(a: &mut [f32], b: &[f32]) {
    let flops = 2 * a.len();
    parallel::chunks(a, CHUNK, flops, |i, a| add_relu(a, &b[i * CHUNK..]));
}

vectorised! {
/// Replaces `a` by `max(a + b, 0)`, on one thread.
fn add_relu<'a>(a: &'a mut [f32], b: &'a [f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        let x = *a + b;
        *a = if x < 0. { 0. } else { x };
    }
}
}

/// Returns the gradient of ReLU's input, given its result `y`: 0 where y ≤ 0, and `dy` elsewhere, NaN included.
pub fn backward(y: &[f32], dy: &[f32]) -> Vec<f32> {
    parallel::filled(y.len(), CHUNK, y.len(), |i, dx| mask(&y[i * CHUNK..], &dy[i * CHUNK..], dx.zeroed()))
}

/// Computes [`backward`] for a batch of images and finishes each of them; also returns the sums over the images.
pub fn backward_images(y: &[f32], dy: &[f32], batch: usize, finish: Finish) -> (Vec<f32>, Vec<f32>) {
    let len = y.len() / batch;
    let sums_lens = (batch * finish.sums, finish.sums);
    parallel::filled_pair((y.len(), len), sums_lens, 7 * y.len(), |n, dx, image_sums| {
        let dx = dx.zeroed();
        mask(&y[n * len..], &dy[n * len..], dx);
        finish.run(n, 1, dx, image_sums.zeroed());
    })
}

vectorised! {
/// Computes [`backward`] on one thread.
pub fn mask<'a>(y: &'a [f32], dy: &'a [f32], dx: &'a mut [f32]) {
    for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
        *dx = if y <= 0. { 0. } else { dy };
    }
}
}
