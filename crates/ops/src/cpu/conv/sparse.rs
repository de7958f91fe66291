//! The gradients behind ReLU and max pooling: of the four positions of a window at most one has a gradient, for each
//! channel another. Lists of them, by channel and by position, skip the rest exactly.

use super::super::tile::{Kernel, Term, sparse_row};
use super::NO_WINNER;
use super::geometry::{Geometry, Shape};
use pulp::Simd;

/// Where the gradient of one image's sums is not zero.
#[derive(Default)]
pub struct Terms {
    /// For each output channel up to a term for each window: where its patch starts, and the gradient.
    by_channel: Vec<Term>,
    channel_counts: Vec<usize>,
    /// For each position up to a term for each output channel: where its weights start, and the gradient.
    by_position: Vec<Term>,
    position_counts: Vec<usize>,
}

impl Terms {
    pub fn collect(&mut self, s: &Shape, g: &Geometry, winners: &[u8], dy: &[f32]) {
        let (channels, positions) = (s.out_channels, g.outputs.len());
        let windows = positions / 4;
        let weights = s.window.kernel[0] * g.segment;
        self.by_channel.resize(channels * windows, Term::default());
        self.by_position.resize(channels * positions, Term::default());
        self.channel_counts.clear();
        self.position_counts.clear();
        self.position_counts.resize(positions, 0);
        for channel in 0..channels {
            let terms = &mut self.by_channel[channel * windows..][..windows];
            let (dy, winners) = (&dy[channel * windows..][..windows], &winners[channel * windows..][..windows]);
            let mut count = 0;
            for (window, (&factor, &winner)) in dy.iter().zip(winners).enumerate() {
                // Without a branch: what does not count is overwritten by the next.
                let position = 4 * window + (winner % NO_WINNER) as usize;
                let counts = (winner != NO_WINNER) as usize;
                terms[count] = Term { start: g.positions[position], factor };
                let of_position = &mut self.position_counts[position];
                self.by_position[position * channels + *of_position] = Term { start: channel * weights, factor };
                count += counts;
                *of_position += counts;
            }
            self.channel_counts.push(count);
        }
    }
}

/// One image's part of dW and db, and its dx.
pub struct Backward<'a> {
    pub s: &'a Shape,
    pub g: &'a Geometry,
    pub image: &'a [f32],
    pub terms: &'a Terms,
    /// Added to; in the order [`super::Order::OutputsFirst`].
    pub dw: &'a mut [f32],
    /// Added to.
    pub db: &'a mut [f32],
    pub dx: Option<Dx<'a>>,
}

pub struct Dx<'a> {
    /// In the order [`super::Order::OutputsFirst`].
    pub weight: &'a [f32],
    /// Padded, channels last; added to.
    pub dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, image, terms, dw, db, dx } = self;
        let kernel_rows = s.window.kernel[0];
        let windows = g.outputs.len() / 4;
        for (channel, (dw, db)) in dw.chunks_exact_mut(kernel_rows * g.segment).zip(db).enumerate() {
            let terms = &terms.by_channel[channel * windows..][..terms.channel_counts[channel]];
            *db += terms.iter().map(|term| term.factor).sum::<f32>();
            for (ky, dw) in dw.chunks_exact_mut(g.segment).enumerate() {
                sparse_row::<S, V>(simd, dw, terms, &image[ky * g.row..]);
            }
        }
        let Some(Dx { weight, dx }) = dx else { return };
        for (position, &count) in terms.position_counts.iter().enumerate() {
            let terms = &terms.by_position[position * s.out_channels..][..count];
            for ky in 0..kernel_rows {
                let dx = &mut dx[g.positions[position] + ky * g.row..][..g.segment];
                sparse_row::<S, V>(simd, dx, terms, &weight[ky * g.segment..]);
            }
        }
    }
}
