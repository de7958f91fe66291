//! Mean softmax cross-entropy of rows (N, K), with the maximum of a row subtracted before the exponentials. It runs on one thread and sums in f64: there are few rows, and they are short.

/// Computes the mean of `−log softmax(x)[target]` over the rows of `x` (N, K). Targets are below K.
pub fn forward(x: &[f32], targets: &[u32]) -> f32 {
    let losses = rows(x, targets).map(|(row, target)| {
        let (max, sum) = max_and_sum(row);
        sum.ln() - (row[target] - max) as f64
    });
    (losses.sum::<f64>() / targets.len() as f64) as f32
}

/// Computes the gradient of `x`: `(softmax(x) − one_hot(target)) · dy / N`.
pub fn backward(x: &[f32], targets: &[u32], dy: f32) -> Vec<f32> {
    let scale = dy as f64 / targets.len() as f64;
    let mut gradient = Vec::with_capacity(x.len());
    for (row, target) in rows(x, targets) {
        let (max, sum) = max_and_sum(row);
        let one_hot = |class| if class == target { 1. } else { 0. };
        let of_class = |(class, &x): (usize, &f32)| ((exp(x, max) / sum - one_hot(class)) * scale) as f32;
        gradient.extend(row.iter().enumerate().map(of_class));
    }
    gradient
}

/// Returns each row with its target.
fn rows<'a>(x: &'a [f32], targets: &'a [u32]) -> impl Iterator<Item = (&'a [f32], usize)> {
    x.chunks_exact(x.len() / targets.len()).zip(targets.iter().map(|&target| target as usize))
}

/// Returns the maximum of a row and `Σ exp(x − max)`.
fn max_and_sum(row: &[f32]) -> (f32, f64) {
    // `max` ignores NaN, but the sum does not.
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (max, row.iter().map(|&x| exp(x, max)).sum())
}

fn exp(x: f32, max: f32) -> f64 {
    f64::from(x - max).exp()
}
