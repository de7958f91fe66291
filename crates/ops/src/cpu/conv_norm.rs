//! Batch normalisation fused with the convolution before it and the epilogue after it. Forward, normalisation, ReLU and
//! 2×2 max pooling are one pass over the convolution's output. Backward, the kernel of the convolution computes the
//! gradient of its output plane by plane as it needs it.

use super::{
    batch_norm,
    epilogue::{Epilogue, NO_WINNER, SavedEpilogue},
    isa::vectorised,
    parallel, scratch,
};

/// Computes `x·scale + shift` with one (scale, shift) per channel, then the epilogue. `x` is (N, C, H, W).
///
/// The second value is the winners of the pooling, as in [`SavedEpilogue::Winners`]; empty without pooling.
pub fn forward(x: &[f32], dims: [usize; 4], affine: &[[f32; 2]], epilogue: Epilogue) -> (Vec<f32>, Vec<u8>) {
    let [n, c, h, w] = dims;
    if epilogue != Epilogue::ReluMaxPool {
        return (batch_norm::forward(x, [n, c, h * w], affine, epilogue == Epilogue::Relu), Vec::new());
    }
    let pooled = (h / 2) * (w / 2);
    let (len, mut winners) = (c * pooled, vec![0u8; n * c * pooled]);
    let y = parallel::filled_zip((n * len, len), (&mut winners[..], len), 4 * x.len(), |i, y, winners| {
        let planes = y.zeroed().chunks_exact_mut(pooled).zip(winners.chunks_exact_mut(pooled));
        for (channel, ((y, winners), x)) in planes.zip(x[i * c * h * w..].chunks_exact(h * w)).enumerate() {
            scale_relu_max_pool(x, w, affine[channel], y, winners);
        }
    });
    (y, winners)
}

vectorised! {
/// Computes ReLU and 2×2 max pooling of `x·scale + shift` for one plane. The first of equal values wins; NaN wins over
/// any value before it.
fn scale_relu_max_pool<'a>(
    x: &'a [f32],
    width: usize,
    affine: [f32; 2],
    y: &'a mut [f32],
    winners: &'a mut [u8],
) {
    let [scale, shift] = affine;
    let rows = y.chunks_exact_mut(width / 2).zip(winners.chunks_exact_mut(width / 2));
    for ((y, winners), x) in rows.zip(x.chunks_exact(2 * width)) {
        let (top, bottom) = x.split_at(width);
        let pairs = top.chunks_exact(2).zip(bottom.chunks_exact(2));
        for ((y, winner), (top, bottom)) in y.iter_mut().zip(winners).zip(pairs) {
            let values = [top[0], top[1], bottom[0], bottom[1]].map(|x| x * scale + shift);
            let (mut best, mut position) = (values[0], 0);
            for (i, &v) in values.iter().enumerate().skip(1) {
                let wins = (v > best) | v.is_nan();
                best = if wins { v } else { best };
                position = if wins { i as u8 } else { position };
            }
            *y = if best < 0. { 0. } else { best };
            *winner = if best <= 0. { NO_WINNER } else { position };
        }
    }
}
}

/// The values that the forward pass saves of the batch normalisation of a convolution's output for the backward pass.
pub struct SavedNorm<'a> {
    /// The convolution's output, which was normalised.
    pub x: &'a [f32],
    /// The shape of `x`: (N, C, H, W).
    pub dims: [usize; 4],
    /// (scale, shift) of each channel: the normalised value is `x·scale + shift`. The mask of a ReLU after it is
    /// recomputed from these, because `x` is read anyway and a stored mask would cost more memory traffic.
    pub affine: &'a [[f32; 2]],
    /// (a, mean, b, c) of each channel: the gradient of `x` is `g·a + (x − mean)·b + c`, where g is the gradient of the
    /// normalised value.
    pub coefficients: &'a [[f32; 4]],
}

vectorised! {
/// Computes the gradient of one plane of the convolution's output from that of the plane after the epilogue.
pub fn gradient_of_plane<'a>(
    norm: &'a SavedNorm<'a>,
    saved: &'a SavedEpilogue<'a>,
    image: usize, channel: usize,
    dy: &'a [f32],
    out: &'a mut [f32],
) {
    let [_, c, h, w] = norm.dims;
    let plane = image * c + channel;
    let [a, mean, b, constant] = norm.coefficients[channel];
    let x = &norm.x[plane * h * w..][..h * w];
    gradient_before_epilogue(saved, plane, x, norm.affine[channel], dy, w, out);
    out.iter_mut().zip(x).for_each(|(out, x)| *out = *out * a + (x - mean) * b + constant);
}
}

/// Computes the gradient of one plane of normalised values from that of the plane after the epilogue.
#[inline(always)]
fn gradient_before_epilogue(
    saved: &SavedEpilogue,
    plane: usize,
    x: &[f32],
    [scale, shift]: [f32; 2],
    dy: &[f32],
    width: usize,
    out: &mut [f32],
) {
    let winners = match saved {
        SavedEpilogue::Nothing => return out.copy_from_slice(dy),
        SavedEpilogue::Result(_) => {
            let values = out.iter_mut().zip(x).zip(dy);
            return values.for_each(|((out, x), dy)| *out = if x * scale + shift <= 0. { 0. } else { *dy });
        }
        SavedEpilogue::Winners(winners) => winners,
        SavedEpilogue::BlockedWinners(_) => unreachable!("a normalised output saves its winners plane by plane"),
    };
    out.fill(0.);
    let rows = dy.chunks_exact(width / 2).zip(winners[plane * dy.len()..].chunks_exact(width / 2));
    for ((dy, winners), out) in rows.zip(out.chunks_exact_mut(2 * width)) {
        for (i, (&dy, &winner)) in dy.iter().zip(winners).enumerate() {
            let position = (winner as usize / 2 % 2) * width + 2 * i + winner as usize % 2;
            out[position] = if winner == NO_WINNER { out[position] } else { dy };
        }
    }
}

impl SavedNorm<'_> {
    /// Writes `Σ g` and `Σ g·(x − mean)` of each plane of image `n`, where g is the gradient of the normalised values
    /// and `dy` that of the image after the epilogue. [`SavedNorm::coefficients`] follow from these sums over all images,
    /// so they are not read here.
    pub fn sums_of_image(&self, saved: &SavedEpilogue, mean: &[f32], n: usize, dy: &[f32], sums: &mut [f32]) {
        let [_, c, h, w] = self.dims;
        scratch::with([h * w], |[g]| {
            let channels = dy.chunks_exact(dy.len() / c).zip(sums.chunks_exact_mut(2));
            for (channel, (dy, sums)) in channels.enumerate() {
                let plane = n * c + channel;
                let (x, affine) = (&self.x[plane * h * w..][..h * w], self.affine[channel]);
                sums.copy_from_slice(&sums_of_plane(saved, plane, x, dy, w, mean[channel], affine, g));
            }
        });
    }

    /// Computes [`SavedNorm::sums_of_image`] for all images.
    pub fn sums(&self, saved: &SavedEpilogue, mean: &[f32], dy: &[f32]) -> Vec<f32> {
        let [n, c, ..] = self.dims;
        let mut sums = vec![0f32; n * 2 * c];
        parallel::chunks(&mut sums, 2 * c, 6 * self.x.len(), |i, sums| {
            let len = dy.len() / n;
            self.sums_of_image(saved, mean, i, &dy[i * len..][..len], sums);
        });
        sums
    }
}

vectorised! {
/// Computes `Σ g` and `Σ g·(x − mean)` of one plane; `g` is scratch.
fn sums_of_plane<'a>(
    saved: &'a SavedEpilogue<'a>,
    plane: usize,
    x: &'a [f32],
    dy: &'a [f32],
    width: usize,
    mean: f32,
    affine: [f32; 2],
    g: &'a mut [f32],
) -> [f32; 2] {
    gradient_before_epilogue(saved, plane, x, affine, dy, width, g);
    batch_norm::plane_backward_sums(x, g, mean)
}
}

/// Adds the sums of [`SavedNorm::sums`] over the images, in f64: `Σ g` and `Σ g·(x − mean)` of each channel.
pub fn sums_over_images(sums: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let mut totals = vec![[0f64; 2]; channels];
    for image in sums.chunks_exact(2 * channels) {
        for (total, &[plain, centred]) in totals.iter_mut().zip(image.as_chunks().0) {
            total[0] += plain as f64;
            total[1] += centred as f64;
        }
    }
    totals.iter().map(|&[plain, centred]| (plain as f32, centred as f32)).unzip()
}
