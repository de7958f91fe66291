//! Batch normalisation fused with the convolution before it and the epilogue after it, for feature maps in either order. Forward,
//! normalisation, ReLU and 2×2 max pooling are one pass over the convolution's output. Backward, the kernel of the convolution
//! computes the gradient of its output piece by piece as it needs it.

use super::{
    batch_norm::{self, GradientRows},
    epilogue::Epilogue,
    map_order::MapOrder,
    norm_pool, parallel,
    pixels::PerChannel,
    relu, scratch,
    simd::dispatch_width,
};

/// Computes `x·scale + shift` with one (scale, shift) per channel, then the epilogue, then ReLU of the sum with a shortcut if
/// there is one. `x` holds N feature maps.
///
/// The second value is the winners of the pooling, as in [`NormalisedMaps::winners`]; empty without pooling.
pub fn forward(
    x: &[f32],
    dims: [usize; 4],
    affine: &PerChannel<2>,
    epilogue: Epilogue,
    shortcut: Option<&[f32]>,
) -> (Vec<f32>, Vec<u8>) {
    let image = dims[1..].iter().product();
    if let (Epilogue::None, Some(shortcut)) = (epilogue, shortcut) {
        return (batch_norm::forward_sum(x, shortcut, image, affine), Vec::new());
    }
    let (mut y, winners) = match epilogue {
        Epilogue::None | Epilogue::Relu => {
            (batch_norm::forward(x, image, affine, epilogue == Epilogue::Relu), Vec::new())
        }
        Epilogue::ReluMaxPool => max_pooled(x, dims, affine),
    };
    if let Some(shortcut) = shortcut {
        relu::forward_sum_into(&mut y, shortcut);
    }
    (y, winners)
}

/// Computes [`forward`] with pooling.
fn max_pooled(x: &[f32], [n, c, h, w]: [usize; 4], affine: &PerChannel<2>) -> (Vec<f32>, Vec<u8>) {
    let image = c * h * w;
    let len = c * (h / 2) * (w / 2);
    parallel::filled_pair((n * len, len), (n * len, len), 4 * x.len(), |i, y, winners| {
        norm_pool::scale_relu_max_pool(&x[i * image..][..image], [h, w], affine, y.zeroed(), winners.zeroed());
    })
}

/// The output of a convolution, which was normalised, and what the forward pass saved of normalisation and pooling.
pub struct NormalisedMaps<'a> {
    /// The convolution's output.
    pub x: &'a [f32],
    /// The sizes of `x`: N, C, H and W.
    pub dims: [usize; 4],
    /// (mean, scale, shift) of each channel, as [`batch_norm::backward_sums`] takes them. The mask of a ReLU is recomputed from
    /// scale and shift, because `x` is read anyway and a stored mask would cost more memory traffic.
    pub coefficients: &'a PerChannel<3>,
    /// For each result of a 2×2 max pooling that follows, in the order of the results, which of the four positions of its window (in
    /// row-major order) had the maximum, or [`NO_WINNER`](super::epilogue::NO_WINNER).
    pub winners: Option<&'a [u8]>,
}

impl NormalisedMaps<'_> {
    /// Returns the output of image `n`.
    fn image(&self, n: usize) -> &[f32] {
        let len = self.dims[1..].iter().product::<usize>();
        &self.x[n * len..][..len]
    }

    /// Calls `f` with the gradient of the normalised values of image `n` before the mask of a ReLU, given that after the epilogue.
    fn with_gradient<R>(&self, n: usize, dy: &[f32], f: impl FnOnce(&[f32]) -> R) -> R {
        let Some(winners) = self.winners else { return f(dy) };
        let [_, c, h, w] = self.dims;
        let winners = &winners[n * dy.len()..][..dy.len()];
        scratch::with([c * h * w], |[unpooled]| {
            match self.coefficients.order() {
                MapOrder::Pixels => norm_pool::unpool_pixels(winners, dy, [w, c], unpooled),
                MapOrder::Planes => {
                    let planes = winners.chunks_exact(dy.len() / c).zip(dy.chunks_exact(dy.len() / c));
                    for ((winners, dy), unpooled) in planes.zip(unpooled.chunks_exact_mut(h * w)) {
                        norm_pool::unpool_plane(winners, dy, w, unpooled);
                    }
                }
            }
            f(unpooled)
        })
    }

    /// Computes [`batch_norm::backward_sums`] for image `n` from the gradient of the image after the epilogue.
    pub fn sums_of_image(&self, n: usize, dy: &[f32], sums: &mut [f32]) {
        self.with_gradient(n, dy, |dy| batch_norm::backward_sums(self.image(n), dy, self.coefficients, sums));
    }

    /// Computes [`sums_of_image`](Self::sums_of_image) for all images.
    pub fn sums(&self, dy: &[f32]) -> Vec<f32> {
        let [n, c, ..] = self.dims;
        let mut sums = vec![0f32; n * 2 * c];
        parallel::chunks(&mut sums, 2 * c, 6 * self.x.len(), |i, sums| {
            let len = dy.len() / n;
            self.sums_of_image(i, &dy[i * len..][..len], sums);
        });
        sums
    }
}

/// The values of a batch normalisation that the backward pass of the convolution before it reads.
pub struct SavedNorm<'a> {
    pub maps: NormalisedMaps<'a>,
    /// The coefficients of [`batch_norm::input_gradient`].
    pub coefficients: &'a PerChannel<6>,
}

impl SavedNorm<'_> {
    /// Computes the gradient of one plane of the convolution's output from that of the plane after the epilogue.
    pub fn gradient_of_plane(&self, image: usize, channel: usize, dy: &[f32], dx: &mut [f32]) {
        let [_, c, h, w] = self.maps.dims;
        let (plane, coefficients) = (image * c + channel, self.coefficients.of_channel(channel));
        let x = &self.maps.x[plane * h * w..][..h * w];
        let Some(winners) = self.maps.winners else {
            return batch_norm::input_gradient_of_plane(x, dy, coefficients, dx);
        };
        scratch::with([h * w], |[unpooled]| {
            norm_pool::unpool_plane(&winners[plane * dy.len()..][..dy.len()], dy, w, unpooled);
            batch_norm::input_gradient_of_plane(x, unpooled, coefficients, dx);
        });
    }

    /// Computes the gradient of the convolution's output for image `n`, channels last, from that of the image after the epilogue,
    /// and writes rows of `width` pixels, each `distance` values after the one before.
    pub fn gradient_rows(&self, n: usize, dy: &[f32], [width, distance]: [usize; 2], rows: &mut [f32]) {
        self.maps.with_gradient(n, dy, |dy| {
            batch_norm::input_gradient_rows(self.maps.image(n), dy, self.coefficients, [width, distance], rows);
        });
    }

    /// Computes the gradient of the convolution's output for image `n`, channels last, from that of the image after the epilogue,
    /// and writes it to `blocked` in blocks of `width` channels: `positions` rows for each block, which are at least as many as
    /// the image has pixels. Places without a channel are not written.
    pub fn blocked_gradient(&self, n: usize, dy: &[f32], width: usize, positions: usize, blocked: &mut [f32]) {
        let channels = self.maps.dims[1];
        self.maps.with_gradient(n, dy, |dy| {
            for (block, rows) in blocked.chunks_exact_mut(positions * width).enumerate() {
                let channels = block * width..((block + 1) * width).min(channels);
                let (x, coefficients) = (self.maps.image(n), self.coefficients);
                dispatch_width(width, GradientRows { x, dy, coefficients, channels, rows });
            }
        });
    }
}
