//! Gated attention pooling (Ilse et al. 2018) of (N, C, positions):
//!
//! ```text
//! t = tanh(V f + v)   s = σ(U f + u)   score = w · (t ⊙ s) + b   a = softmax over positions of score   y = Σ a f
//! ```
//!
//! where f are the features of a position. The features of a few images are transposed to rows, one for each position, so
//! that V f and U f are one matrix product, and everything else runs along the hidden units or channels of a row. The
//! backward pass reads t and s again. With g = dy · f and `dscore = a (g − Σ a g)`, the gradients of V f and U f are
//! `dscore · w ⊙ s ⊙ (1 − t²)` and `dscore · w ⊙ t ⊙ s ⊙ (1 − s)`; two more products give those of f and of the weights.
//! The products bound the speed, before the exponentials.

use super::{
    gradients::Gradients,
    image_groups::{GradientSizes, GroupGradients, accumulate},
    isa::vectorised,
    matmul::{Matrix, matmul},
    parallel, reduce, scratch,
    transcendental::exp,
    transpose::transpose,
};

/// The number of positions that are computed together, unless an image has more: their rows stay in the second-level
/// cache.
const ROWS_PER_CALL: usize = 256;

/// The sizes of an attention pooling.
#[derive(Debug, Clone, Copy)]
pub struct AttentionShape {
    pub batch: usize,
    pub channels: usize,
    pub positions: usize,
    /// The number of hidden units of V and of U.
    pub hidden: usize,
}

/// The parameters, as they lie one after the other in a slice.
struct Parameters<'a> {
    /// V and U, (2 · hidden, channels).
    projection: &'a [f32],
    /// Their biases, (2 · hidden).
    bias: &'a [f32],
    /// w, (hidden).
    score: &'a [f32],
    /// b.
    score_bias: f32,
}

impl AttentionShape {
    /// Returns the lengths of the projection, its bias and the weights of the score.
    fn parts(&self) -> [usize; 3] {
        [2 * self.hidden * self.channels, 2 * self.hidden, self.hidden]
    }

    /// Returns the number of parameters.
    pub fn parameters(&self) -> usize {
        self.parts().iter().sum::<usize>() + 1
    }

    fn split<'a>(&self, parameters: &'a [f32]) -> Parameters<'a> {
        let [projection, bias, score] = self.parts();
        let (projection, rest) = parameters.split_at(projection);
        let (bias, rest) = rest.split_at(bias);
        let (score, rest) = rest.split_at(score);
        Parameters { projection, bias, score, score_bias: rest[0] }
    }

    /// Returns the number of values of an input image.
    pub fn image(&self) -> usize {
        self.channels * self.positions
    }

    /// Returns the number of values that the forward pass saves of an image: t and s of each position.
    pub fn gates(&self) -> usize {
        self.positions * 2 * self.hidden
    }

    /// Returns the number of images that are computed together.
    fn images_per_call(&self) -> usize {
        (ROWS_PER_CALL / self.positions).max(1)
    }

    /// Returns about the number of operations of the forward pass for an image.
    pub fn flops(&self) -> usize {
        self.gates().saturating_mul(2 * self.channels)
    }
}

/// Computes `y` (N, C), and the gates t and s, which the backward pass needs.
pub fn forward(s: &AttentionShape, x: &[f32], parameters: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (images, parameters) = (s.images_per_call(), s.split(parameters));
    let y_lens = (s.batch * s.channels, images * s.channels);
    let gates_lens = (s.batch * s.gates(), images * s.gates());
    parallel::filled_pair(y_lens, gates_lens, s.batch.saturating_mul(s.flops()), |i, y, gates| {
        let y = y.zeroed();
        let x = &x[i * images * s.image()..][..y.len() / s.channels * s.image()];
        pool_images(s, x, &parameters, y, gates.zeroed());
    })
}

/// Computes `y` (N, C) into a given buffer, for any N, and saves nothing.
pub fn forward_into(s: &AttentionShape, x: &[f32], parameters: &[f32], y: &mut [f32]) {
    let (images, parameters) = (s.images_per_call(), s.split(parameters));
    let flops = (y.len() / s.channels).saturating_mul(s.flops());
    parallel::chunks(y, images * s.channels, flops, |i, y| {
        let count = y.len() / s.channels;
        let x = &x[i * images * s.image()..][..count * s.image()];
        scratch::with([count * s.gates()], |[gates]| pool_images(s, x, &parameters, y, gates));
    });
}

/// Pools a few images; writes their gates, t and s of each position.
fn pool_images(s: &AttentionShape, x: &[f32], p: &Parameters, y: &mut [f32], gates: &mut [f32]) {
    let rows = x.len() / s.channels;
    scratch::with([x.len(), rows], |[features, attention]| {
        to_rows(s, x, features);
        let projection = Matrix::new(p.projection, 2 * s.hidden, s.channels).transposed();
        matmul(gates, Matrix::new(features, rows, s.channels), projection, |gates| activate(gates, p.bias));
        attend(gates, p.score, p.score_bias, s.positions, attention);
        weighted_sums(features, attention, s.positions, y);
    });
}

/// Computes the gradients of `x` and of the parameters from that of the result.
pub fn backward(
    s: &AttentionShape,
    [x, parameters, gates, dy]: [&[f32]; 4],
    [want_dx, want_dw]: [bool; 2],
) -> Gradients {
    let sizes = GradientSizes {
        batch: s.batch,
        image: s.image(),
        weight: parameters.len(),
        bias: 0,
        image_sums: 0,
        want_dx,
        want_dw,
        flops: s.batch.saturating_mul(2).saturating_mul(s.flops()),
    };
    let (p, per_call) = (s.split(parameters), s.images_per_call());
    let (gradients, _) = accumulate(&sizes, |images, gradients| {
        let GroupGradients { weight: mut of_parameters, x: mut dx, .. } = gradients;
        for first in images.clone().step_by(per_call) {
            let images = first..images.end.min(first + per_call);
            let of_images = [(x, s.image()), (gates, s.gates()), (dy, s.channels)]
                .map(|(values, len)| &values[images.start * len..images.end * len]);
            let dx = dx.as_mut().map(|dx| dx.take_zeroed(of_images[0].len()));
            add_gradients(s, of_images, &p, of_parameters.as_deref_mut(), dx);
        }
    });
    gradients
}

/// Adds the part of a few images to the gradient of the parameters, and writes that of the images.
fn add_gradients(
    s: &AttentionShape,
    [x, gates, dy]: [&[f32]; 3],
    p: &Parameters,
    of_parameters: Option<&mut [f32]>,
    dx: Option<&mut [f32]>,
) {
    let (rows, [projection_len, bias_len, _]) = (x.len() / s.channels, s.parts());
    let lens = [x.len(), rows, rows, gates.len(), s.parameters()];
    scratch::with(lens, |[features, attention, of_scores, of_gates, of_call]| {
        to_rows(s, x, features);
        attend(gates, p.score, p.score_bias, s.positions, attention);
        gradient_of_scores(features, attention, dy, s.positions, of_scores);
        let (of_projection, of_rest) = of_call.split_at_mut(projection_len);
        let (of_bias, of_rest) = of_rest.split_at_mut(bias_len);
        gradient_of_gates(gates, of_scores, p.score, of_gates, [&mut *of_bias, &mut *of_rest]);
        let of_gates = Matrix::new(of_gates, rows, 2 * s.hidden);
        if let Some(of_parameters) = of_parameters {
            matmul(of_projection, of_gates.transposed(), Matrix::new(features, rows, s.channels), |_| ());
            of_parameters.iter_mut().zip(&*of_call).for_each(|(sum, part)| *sum += part);
        }
        if let Some(dx) = dx {
            matmul(features, of_gates, Matrix::new(p.projection, 2 * s.hidden, s.channels), |_| ());
            add_attended(attention, dy, s.positions, features);
            let images = dx.chunks_exact_mut(s.image()).zip(features.chunks_exact(s.image()));
            images.for_each(|(dx, rows)| to_planes(s, rows, dx));
        }
    });
}

vectorised! {
/// Transposes images (channels, positions) to rows of channels.
fn to_rows<'a>(s: &'a AttentionShape, x: &'a [f32], rows: &'a mut [f32]) {
    for (x, rows) in x.chunks_exact(s.image()).zip(rows.chunks_exact_mut(s.image())) {
        transpose(x, s.positions, rows, s.channels, [s.channels, s.positions]);
    }
}
}

vectorised! {
/// Transposes the rows of an image to (channels, positions).
fn to_planes<'a>(s: &'a AttentionShape, rows: &'a [f32], x: &'a mut [f32]) {
    transpose(rows, s.channels, x, s.positions, [s.positions, s.channels]);
}
}

vectorised! {
/// Adds the bias to V f and U f of each row, and replaces them by t and s.
fn activate<'a>(rows: &'a mut [f32], bias: &'a [f32]) {
    let hidden = bias.len() / 2;
    for row in rows.chunks_exact_mut(2 * hidden) {
        let (t, s) = row.split_at_mut(hidden);
        t.iter_mut().zip(bias).for_each(|(t, bias)| *t = tanh(*t + bias));
        s.iter_mut().zip(&bias[hidden..]).for_each(|(s, bias)| *s = 1. / (1. + exp(-(*s + bias))));
    }
}
}

/// Computes tanh, with an error of a few roundings of its largest value, 1: as exact as its argument, which is a sum.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let e = exp(-2. * x.abs());
    ((1. - e) / (1. + e)).copysign(x)
}

vectorised! {
/// Computes the attention to each position of each image from the gates.
fn attend<'a>(gates: &'a [f32], score: &'a [f32], bias: f32, positions: usize, attention: &'a mut [f32]) {
    let hidden = score.len();
    for (row, attention) in gates.chunks_exact(2 * hidden).zip(attention.iter_mut()) {
        let (t, s) = row.split_at(hidden);
        *attention = reduce::sum_of([t, s, score], |[t, s, w]| t * s * w) + bias;
    }
    for scores in attention.chunks_exact_mut(positions) {
        // `max` passes over NaN, but the exponentials do not.
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|score| *score -= max);
    }
    attention.iter_mut().for_each(|score| *score = exp(*score));
    for weights in attention.chunks_exact_mut(positions) {
        let total = reduce::sum(weights, |weight| weight);
        weights.iter_mut().for_each(|weight| *weight /= total);
    }
}
}

vectorised! {
/// Computes y = Σ a f of each image.
fn weighted_sums<'a>(features: &'a [f32], attention: &'a [f32], positions: usize, y: &'a mut [f32]) {
    let channels = features.len() / attention.len();
    let images = features.chunks_exact(positions * channels).zip(attention.chunks_exact(positions));
    for ((rows, attention), y) in images.zip(y.chunks_exact_mut(channels)) {
        y.fill(0.);
        for (row, a) in rows.chunks_exact(channels).zip(attention) {
            y.iter_mut().zip(row).for_each(|(y, f)| *y += a * f);
        }
    }
}
}

vectorised! {
/// Computes the gradient of the score of each position.
fn gradient_of_scores<'a>(
    features: &'a [f32],
    attention: &'a [f32],
    dy: &'a [f32],
    positions: usize,
    of_scores: &'a mut [f32],
) {
    let channels = features.len() / attention.len();
    let images = features.chunks_exact(positions * channels).zip(dy.chunks_exact(channels));
    let outputs = attention.chunks_exact(positions).zip(of_scores.chunks_exact_mut(positions));
    for ((rows, dy), (attention, of_scores)) in images.zip(outputs) {
        for (row, g) in rows.chunks_exact(channels).zip(of_scores.iter_mut()) {
            *g = reduce::sum_of([row, dy], |[f, dy]| f * dy);
        }
        let mean = reduce::sum_of([attention, of_scores], |[a, g]| a * g);
        of_scores.iter_mut().zip(attention).for_each(|(g, a)| *g = a * (*g - mean));
    }
}
}

vectorised! {
/// Computes the gradients of V f and U f of each row, and sums over the rows: `sums` are the gradients of the biases, then
/// those of the weights and the bias of the score.
fn gradient_of_gates<'a>(
    gates: &'a [f32],
    of_scores: &'a [f32],
    score: &'a [f32],
    of_gates: &'a mut [f32],
    sums: [&'a mut [f32]; 2],
) {
    let (hidden, [of_bias, of_score]) = (score.len(), sums);
    of_bias.fill(0.);
    of_score.fill(0.);
    let rows = gates.chunks_exact(2 * hidden).zip(of_gates.chunks_exact_mut(2 * hidden));
    for ((row, of_row), &of_this_score) in rows.zip(of_scores) {
        let ((t, s), (of_v, of_u)) = (row.split_at(hidden), of_row.split_at_mut(hidden));
        for h in 0..hidden {
            let (t, s, d) = (t[h], s[h], of_this_score * score[h]);
            of_v[h] = d * s * (1. - t * t);
            of_u[h] = d * t * s * (1. - s);
            of_score[h] += of_this_score * t * s;
        }
        of_score[hidden] += of_this_score;
        of_bias.iter_mut().zip(&*of_row).for_each(|(sum, part)| *sum += part);
    }
}
}

vectorised! {
/// Adds a · dy to the gradient of each row.
fn add_attended<'a>(attention: &'a [f32], dy: &'a [f32], positions: usize, rows: &'a mut [f32]) {
    let channels = rows.len() / attention.len();
    for ((rows, attention), dy) in rows
        .chunks_exact_mut(positions * channels)
        .zip(attention.chunks_exact(positions))
        .zip(dy.chunks_exact(channels))
    {
        for (row, a) in rows.chunks_exact_mut(channels).zip(attention) {
            row.iter_mut().zip(dy).for_each(|(row, dy)| *row += a * dy);
        }
    }
}
}
