//! Batch normalisation fused with the convolution before it and the epilogue after it. Forward, normalisation, ReLU and
//! 2×2 max pooling are one pass over the convolution's output. Backward, the kernel of the convolution computes the
//! gradient of its output plane by plane as it needs it.

use super::{
    batch_norm::{self, BackwardSums, InputGradient},
    epilogue::{Epilogue, NO_WINNER, SavedEpilogue},
    isa::vectorised,
    parallel, scratch,
    simd::dispatch,
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

impl SavedNorm<'_> {
    /// Computes the gradient of one plane of the convolution's output from that of the plane after the epilogue.
    pub fn gradient_of_plane(&self, saved: &SavedEpilogue, image: usize, channel: usize, dy: &[f32], dx: &mut [f32]) {
        let coefficients = self.coefficients[channel];
        self.with_plane(saved, image, channel, dy, |x, dy, mask| {
            dispatch(InputGradient { x, dy, coefficients, mask, dx });
        });
    }

    /// Writes `Σ g` and `Σ g·(x − mean)` of each plane of image `n`, where g is the gradient of the normalised values
    /// and `dy` that of the image after the epilogue. [`SavedNorm::coefficients`] follow from these sums over all images,
    /// so they are not read here.
    pub fn sums_of_image(&self, saved: &SavedEpilogue, mean: &[f32], n: usize, dy: &[f32], sums: &mut [f32]) {
        let channels = dy.chunks_exact(dy.len() / mean.len()).zip(sums.as_chunks_mut().0).zip(mean);
        for (channel, ((dy, sums), &mean)) in channels.enumerate() {
            self.with_plane(saved, n, channel, dy, |x, dy, mask| {
                dispatch(BackwardSums { x, dy, mean, mask, sums });
            });
        }
    }

    /// Calls `f` with the plane of `x`, the gradient of its normalised values before the mask of a ReLU, and this
    /// [mask](BackwardSums::mask). `dy` is the gradient of the plane after the epilogue.
    #[inline(always)]
    fn with_plane(
        &self,
        saved: &SavedEpilogue,
        image: usize,
        channel: usize,
        dy: &[f32],
        f: impl FnOnce(&[f32], &[f32], [f32; 2]),
    ) {
        let [_, c, h, w] = self.dims;
        let plane = image * c + channel;
        let x = &self.x[plane * h * w..][..h * w];
        match saved {
            SavedEpilogue::Nothing => f(x, dy, batch_norm::NO_MASK),
            SavedEpilogue::Result(_) => f(x, dy, self.affine[channel]),
            SavedEpilogue::Winners(winners) => scratch::with([h * w], |[unpooled]| {
                unpool(&winners[plane * dy.len()..][..dy.len()], dy, w, unpooled);
                f(x, unpooled, batch_norm::NO_MASK);
            }),
            SavedEpilogue::BlockedWinners(_) => unreachable!("a normalised output saves its winners plane by plane"),
        }
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

/// Undoes ReLU and 2×2 max pooling of one plane of `width` columns: the winner of each window gets its gradient.
fn unpool(winners: &[u8], dy: &[f32], width: usize, out: &mut [f32]) {
    out.fill(0.);
    let rows = dy.chunks_exact(width / 2).zip(winners.chunks_exact(width / 2));
    for ((dy, winners), out) in rows.zip(out.chunks_exact_mut(2 * width)) {
        for (i, (&dy, &winner)) in dy.iter().zip(winners).enumerate() {
            let position = (winner as usize / 2 % 2) * width + 2 * i + winner as usize % 2;
            out[position] = if winner == NO_WINNER { out[position] } else { dy };
        }
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
