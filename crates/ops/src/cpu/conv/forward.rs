//! The forward pass of a convolution: runs the chosen algorithm on the batch, in parallel over calls of a few images.

use super::{
    algorithm::ForwardAlgorithm,
    choose::{self, Pass},
    shape::ConvShape,
};
use crate::cpu::{conv_input::ConvInput, finish::Finish, map_order::MapOrder, parallel};

/// The number of floating-point operations from which a single image is divided into bands of rows, if threads are awake.
const MIN_BANDED_FLOPS: usize = 1 << 17;

/// A convolution prepared for inputs of one size: an algorithm with packed weights.
pub struct PreparedConv {
    s: ConvShape,
    algorithm: Box<dyn ForwardAlgorithm>,
}

impl PreparedConv {
    /// Prepares a forward pass that a backward pass follows. `weight` is (C_out, C_in, kh, kw).
    pub fn for_training(s: &ConvShape, weight: &[f32]) -> Self {
        Self { s: *s, algorithm: choose::forward(s, Pass::Forward, weight) }
    }

    /// Prepares a forward pass without a backward pass, which allows for faster algorithms that round differently.
    pub fn for_inference(s: &ConvShape, weight: &[f32]) -> Self {
        Self { s: *s, algorithm: choose::forward(s, Pass::Inference, weight) }
    }

    /// Returns whether [`set_orders`](Self::set_orders) may be called.
    pub fn has_orders(&self) -> bool {
        self.algorithm.has_orders()
    }

    /// Sets the orders of input images and of results.
    pub fn set_orders(&mut self, [input_order, result_order]: [MapOrder; 2]) {
        self.s = ConvShape { input_order, result_order, ..self.s };
        self.algorithm.set_orders([input_order, result_order]);
    }

    /// Returns the least number of rows of a band, if results whose order is [`MapOrder::Pixels`] have enough rows to be
    /// divided between threads.
    fn rows_per_band(&self) -> Option<usize> {
        self.algorithm.rows_per_band().filter(|rows| 2 * rows <= self.s.result()[0])
    }

    /// Returns whether results whose order is [`MapOrder::Pixels`] have enough rows to be divided between threads.
    pub fn has_bands(&self) -> bool {
        self.rows_per_band().is_some()
    }

    /// Returns whether [`forward`](Self::forward) divides the rows of a single image between threads.
    pub fn divides_rows(&self) -> bool {
        self.s.result_order == MapOrder::Pixels && self.s.flops() >= MIN_BANDED_FLOPS && self.has_bands()
    }

    /// Computes `y` (N, C_out, h, w) from `x` (N, C_in, H, W), for any N.
    pub fn forward(&self, x: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let (s, images) = (&self.s, self.algorithm.images_per_call());
        let divides = y.len() == s.result_len() && self.divides_rows() && parallel::are_threads_awake();
        if let Some(least) = self.rows_per_band().filter(|_| divides) {
            let [height, width] = s.result();
            let rows = height.div_ceil(parallel::parts()).next_multiple_of(least);
            return parallel::chunks(y, rows * width * s.out_channels, s.flops(), |i, y| {
                self.algorithm.forward_rows(ConvInput::Stored(x), bias, i * rows..height.min((i + 1) * rows), y);
            });
        }
        let flops = (y.len() / s.result_len()).saturating_mul(s.flops());
        parallel::chunks(y, images * s.result_len(), flops, |i, y| {
            self.algorithm.forward(self.images_of(ConvInput::Stored(x), i * images, y), bias, y, None);
        });
    }

    /// Creates the results of the batch: `f(first, y, extra)` writes those of a few images from number `first` on,
    /// together with their part of the second buffer, which has `extra` values per image.
    fn results<B: Copy + Default + Send>(
        &self,
        extra: usize,
        f: impl Fn(usize, &mut [f32], &mut [B]) + Sync + Send,
    ) -> (Vec<f32>, Vec<B>) {
        let (s, images) = (&self.s, self.algorithm.images_per_call());
        let [y_lens, extra_lens] = [s.result_len(), extra].map(|len| (s.batch * len, images * len));
        parallel::filled_pair(y_lens, extra_lens, s.batch.saturating_mul(s.flops()), |i, y, extra| {
            f(i * images, y.zeroed(), extra.zeroed())
        })
    }

    /// Returns the images of `x`, from number `first` on, whose results `y` holds.
    fn images_of<'a>(&self, x: ConvInput<'a>, first: usize, y: &[f32]) -> ConvInput<'a> {
        let len = self.s.input_len();
        x.part(first * len..(first + y.len() / self.s.result_len()) * len)
    }
}

/// The results of a forward pass.
pub struct Output {
    /// N results after the epilogue, in the order of the shape.
    pub y: Vec<f32>,
    /// The winners of pooling, for [`SavedEpilogue::Winners`](crate::cpu::epilogue::SavedEpilogue::Winners).
    /// Without pooling they have no meaning.
    pub winners: Vec<u8>,
}

/// Convolves N images `x`, in the order of the shape, with `weight` (C_out, C_in, kh, kw), then applies bias and epilogue. The winners of a
/// pooling are needed if a backward pass follows.
pub fn forward(s: &ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, want_winners: bool) -> Output {
    let conv = PreparedConv::for_training(s, weight);
    // If they are not wanted, one dummy value per image takes their place, so that there is only one loop.
    let wanted = want_winners && s.is_pooled();
    let winners_len = if wanted { s.blocked_result_len() } else { 1 };
    let (y, winners) = conv.results(winners_len, |first, y, winners: &mut [u8]| {
        conv.algorithm.forward(conv.images_of(ConvInput::Stored(x), first, y), bias, y, wanted.then_some(winners));
    });
    Output { y, winners }
}

/// Convolves `x` with `weight`, without bias, and finishes each image of the output; also returns the sums over the images.
pub fn forward_with_sums(s: &ConvShape, x: ConvInput, weight: &[f32], finish: Finish) -> (Vec<f32>, Vec<f32>) {
    let conv = PreparedConv::for_training(s, weight);
    conv.results(finish.sums, |first, y, image_sums| {
        conv.algorithm.forward(conv.images_of(x, first, y), None, y, None);
        finish.run(first, y.len() / s.result_len(), y, image_sums);
    })
}
