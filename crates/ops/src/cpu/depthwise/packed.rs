//! The forward pass.

use super::super::tile::{Kernel, Term, dense_row, dispatch};
use super::super::{parallel, scratch};
use super::Shape;
use super::seen::Seen;
use pulp::Simd;

/// A depthwise convolution made ready for inputs of one size, with ReLU on top if asked for.
pub struct Packed {
    s: Shape,
    seen: Seen,
    /// For each channel its taps.
    terms: Vec<Term>,
    bias: Option<Vec<f32>>,
    relu: bool,
}

impl Packed {
    /// `weight` is (C, 1, kh, kw).
    pub fn new(s: &Shape, weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Self {
        let seen = Seen::new(s);
        let term = |(&factor, &start): (&f32, &usize)| Term { start, factor };
        let terms = weight.iter().zip(seen.starts.iter().cycle()).map(term).collect();
        Self { s: *s, seen, terms, bias: bias.map(<[f32]>::to_vec), relu }
    }

    /// `x` is (N, C, H, W) with any N, `y` (N, C, oh, ow).
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let results = self.s.results();
        let work = y.len() / results.max(1) * self.s.work();
        parallel::chunks(y, results, work, |n, y| self.image(x, n, y));
    }

    /// Image `n` of a batch `x`.
    pub fn image(&self, x: &[f32], n: usize, y: &mut [f32]) {
        let image = self.s.image();
        scratch::with([self.seen.len(), self.s.plane()], |[copies, sorted]| {
            dispatch(Forward { packed: self, x: &x[n * image..][..image], copies, sorted, y });
        });
    }
}

/// One image.
struct Forward<'a> {
    packed: &'a Packed,
    x: &'a [f32],
    /// Scratch, see [`Seen`].
    copies: &'a mut [f32],
    sorted: &'a mut [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { packed: Packed { s, seen, terms, bias, relu }, x, copies, sorted, y } = self;
        let (size, output) = (s.input[0] * s.input[1], s.output[0] * s.output[1]);
        let floor = relu.then_some(0.);
        copies.fill(0.);
        let channels = y.chunks_exact_mut(output).zip(x.chunks_exact(size)).zip(terms.chunks_exact(s.taps()));
        for (channel, ((y, x), terms)) in channels.enumerate() {
            seen.copy(x, sorted, copies);
            dense_row::<S, V>(simd, y, terms, copies, bias.as_ref().map_or(0., |bias| bias[channel]), floor);
        }
    }
}
