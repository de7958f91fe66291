//! The forward pass.

use super::super::tile::{Kernel, Term, WIDTH, dispatch, sparse_row};
use super::super::{parallel, scratch};
use super::{Row, Shape, split};
use pulp::Simd;

/// A depthwise convolution made ready for inputs of one size, with ReLU on top if asked for.
pub struct Packed {
    s: Shape,
    rows: Vec<Row>,
    /// For each channel its taps.
    terms: Vec<Term>,
    bias: Option<Vec<f32>>,
    relu: bool,
}

impl Packed {
    /// `weight` is (C, 1, kh, kw).
    pub fn new(s: &Shape, weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Self {
        let starts: Vec<usize> = s.taps_at().iter().map(|(phase, place)| phase * s.phase_len() + place).collect();
        let term = |(&factor, &start): (&f32, &usize)| Term { start, factor };
        let terms = weight.iter().zip(starts.iter().cycle()).map(term).collect();
        Self { s: *s, rows: s.rows(), terms, bias: bias.map(<[f32]>::to_vec), relu }
    }

    /// `x` is (N, C, H, W) with any N, `y` (N, C, oh, ow).
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let results = self.s.results();
        let work = y.len() / results.max(1) * self.s.work();
        parallel::chunks(y, results, work, |n, y| self.image(x, n, y));
    }

    /// Image `n` of a batch `x`.
    pub fn image(&self, x: &[f32], n: usize, y: &mut [f32]) {
        let (s, image) = (&self.s, self.s.image());
        scratch::with([s.plane(), s.span().next_multiple_of(WIDTH)], |[plane, sums]| {
            dispatch(Forward { packed: self, x: &x[n * image..][..image], plane, sums, y });
        });
    }
}

/// One image.
struct Forward<'a> {
    packed: &'a Packed,
    x: &'a [f32],
    plane: &'a mut [f32],
    sums: &'a mut [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { packed: Packed { s, rows, terms, bias, relu }, x, plane, sums, y } = self;
        let (size, output) = (s.input[0] * s.input[1], s.output[0] * s.output[1]);
        let (width, floor) = (s.phase()[1], if *relu { 0. } else { f32::NEG_INFINITY });
        plane.fill(0.);
        let channels = y.chunks_exact_mut(output).zip(x.chunks_exact(size)).zip(terms.chunks_exact(s.taps()));
        for (channel, ((y, x), terms)) in channels.enumerate() {
            split(s, rows, x, plane);
            sums.fill(bias.as_ref().map_or(0., |bias| bias[channel]));
            sparse_row::<S, V>(simd, sums, terms, plane);
            for (y, sums) in y.chunks_exact_mut(s.output[1]).zip(sums.chunks(width)) {
                // Written so that NaN stays NaN.
                y.iter_mut().zip(sums).for_each(|(y, &v)| *y = if v < floor { floor } else { v });
            }
        }
    }
}
