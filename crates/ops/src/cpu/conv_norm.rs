//! What follows a convolution whose results are normalised over the batch: normalisation, ReLU and 2×2 max pooling in
//! one pass forward, and backward what the gradient of the convolution's results is made of.

use super::conv::{Epilogue, Saved};
use super::isa::vectorised;
use super::{batch_norm, parallel, scratch};

/// Batch, channels, height and width of the convolution's results.
pub type Dims = [usize; 4];

/// `x·scale + shift` with these two for each channel, and the epilogue; and with pooling, which of its four positions each result is.
pub fn forward(x: &[f32], dims: Dims, affine: &[[f32; 2]], epilogue: Epilogue) -> (Vec<f32>, Vec<u8>) {
    let [n, c, h, w] = dims;
    if epilogue != Epilogue::ReluMaxPool {
        return (batch_norm::forward(x, [n, c, h * w], affine, epilogue == Epilogue::Relu), Vec::new());
    }
    let pooled = (h / 2) * (w / 2);
    let (len, mut winners) = (c * pooled, vec![0u8; n * c * pooled]);
    let y = parallel::filled2((n * len, len), (&mut winners, len), 4 * x.len(), |i, y, winners| {
        let planes = y.take_all().chunks_exact_mut(pooled).zip(winners.chunks_exact_mut(pooled));
        for (channel, ((y, winners), x)) in planes.zip(x[i * c * h * w..].chunks_exact(h * w)).enumerate() {
            pool(x, w, affine[channel], y, winners);
        }
    });
    (y, winners)
}

vectorised! {
/// ReLU of the maximum of `x·scale + shift` over 2×2 windows of a plane; the first of equal ones wins, and NaN.
fn pool<'a>(x: &'a [f32], width: usize, affine: [f32; 2], y: &'a mut [f32], winners: &'a mut [u8]) {
    let [scale, shift] = affine;
    let rows = y.chunks_exact_mut(width / 2).zip(winners.chunks_exact_mut(width / 2));
    for ((y, winners), x) in rows.zip(x.chunks_exact(2 * width)) {
        let (top, bottom) = x.split_at(width);
        let pairs = top.chunks_exact(2).zip(bottom.chunks_exact(2));
        for ((y, winner), (top, bottom)) in y.iter_mut().zip(winners).zip(pairs) {
            let values = [top[0], top[1], bottom[0], bottom[1]].map(|x| x * scale + shift);
            let (mut best, mut place) = (values[0], 0);
            for (i, &v) in values.iter().enumerate().skip(1) {
                let wins = (v > best) | v.is_nan();
                best = if wins { v } else { best };
                place = if wins { i as u8 } else { place };
            }
            *y = if best < 0. { 0. } else { best };
            *winner = if best > 0. { place } else { super::conv::NO_WINNER };
        }
    }
}
}

/// What the backward pass of a normalised convolution knows.
pub struct Norm<'a> {
    /// The convolution's results.
    pub x: &'a [f32],
    pub dims: Dims,
    /// For each channel (scale, shift): the normalised value is `x·scale + shift`. Whether ReLU let it pass is computed
    /// anew, because x is read anyway and memory is slower.
    pub affine: &'a [[f32; 2]],
    /// For each channel (a, mean, b, c): the gradient of a result x is `g·a + (x − mean)·b + c`, with g that of the
    /// normalised value.
    pub coefficients: &'a [[f32; 4]],
}

vectorised! {
/// The gradient of a plane of the convolution's results; `dy` is that of the plane with epilogue.
pub fn gradient<'a>(
    norm: &'a Norm<'a>,
    epilogue: &'a Saved<'a>,
    image: usize, channel: usize,
    dy: &'a [f32],
    out: &'a mut [f32],
) {
    let [_, c, h, w] = norm.dims;
    let plane = image * c + channel;
    let [a, mean, b, constant] = norm.coefficients[channel];
    let x = &norm.x[plane * h * w..][..h * w];
    before_epilogue(epilogue, plane, x, norm.affine[channel], dy, w, out);
    out.iter_mut().zip(x).for_each(|(out, x)| *out = *out * a + (x - mean) * b + constant);
}
}

/// The gradient of a plane of normalised values, from that behind ReLU and pooling; without an epilogue they are the
/// same.
#[inline(always)]
fn before_epilogue(
    epilogue: &Saved,
    plane: usize,
    x: &[f32],
    [scale, shift]: [f32; 2],
    dy: &[f32],
    width: usize,
    out: &mut [f32],
) {
    let winners = match epilogue {
        Saved::Nothing => return out.copy_from_slice(dy),
        Saved::Result(_) => {
            let values = out.iter_mut().zip(x).zip(dy);
            return values.for_each(|((out, x), dy)| *out = if x * scale + shift > 0. { *dy } else { 0. });
        }
        Saved::Winners(winners) => winners,
    };
    out.fill(0.);
    let rows = dy.chunks_exact(width / 2).zip(winners[plane * dy.len()..].chunks_exact(width / 2));
    for ((dy, winners), out) in rows.zip(out.chunks_exact_mut(2 * width)) {
        for (i, (&dy, &winner)) in dy.iter().zip(winners).enumerate() {
            let place = (winner as usize / 2 % 2) * width + 2 * i + winner as usize % 2;
            out[place] = if winner == super::conv::NO_WINNER { out[place] } else { dy };
        }
    }
}

impl Norm<'_> {
    /// For each plane of image `n` `Σ g` and `Σ g·(x − mean)`, with g the gradient of the normalised values and `dy` that
    /// of the image with epilogue. (The coefficients follow from their sums over the images, so they aren't known yet.)
    pub fn sums_of_image(&self, epilogue: &Saved, mean: &[f32], n: usize, dy: &[f32], sums: &mut [f32]) {
        let [_, c, h, w] = self.dims;
        scratch::with([h * w], |[g]| {
            let channels = dy.chunks_exact(dy.len() / c).zip(sums.chunks_exact_mut(2));
            for (channel, (dy, sums)) in channels.enumerate() {
                let plane = n * c + channel;
                let (x, affine) = (&self.x[plane * h * w..][..h * w], self.affine[channel]);
                sums.copy_from_slice(&sums_before_epilogue(epilogue, plane, x, dy, w, mean[channel], affine, g));
            }
        });
    }

    /// [`Norm::sums_of_image`] of all images.
    pub fn sums(&self, epilogue: &Saved, mean: &[f32], dy: &[f32]) -> Vec<f32> {
        let [n, c, ..] = self.dims;
        let mut sums = vec![0f32; n * 2 * c];
        parallel::chunks(&mut sums, 2 * c, 6 * self.x.len(), |i, sums| {
            let len = dy.len() / n;
            self.sums_of_image(epilogue, mean, i, &dy[i * len..][..len], sums);
        });
        sums
    }
}

/// For each channel `(Σ g, Σ g·(x − mean))` over the batch, from those of each plane.
pub fn over_images(sums: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let mut totals = vec![[0f64; 2]; channels];
    for image in sums.chunks_exact(2 * channels) {
        for (total, &[plain, centred]) in totals.iter_mut().zip(image.as_chunks().0) {
            total[0] += plain as f64;
            total[1] += centred as f64;
        }
    }
    totals.iter().map(|&[plain, centred]| (plain as f32, centred as f32)).unzip()
}

vectorised! {
/// Those of one plane; `g` is scratch.
fn sums_before_epilogue<'a>(
    epilogue: &'a Saved<'a>,
    plane: usize,
    x: &'a [f32],
    dy: &'a [f32],
    width: usize,
    mean: f32,
    affine: [f32; 2],
    g: &'a mut [f32],
) -> [f32; 2] {
    before_epilogue(epilogue, plane, x, affine, dy, width, g);
    batch_norm::sums_of_plane(x, g, mean)
}
}
