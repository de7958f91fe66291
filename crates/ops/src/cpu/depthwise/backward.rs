//! The backward pass.

use super::super::conv::Saved;
use super::super::conv_norm::{self, Norm};
use super::super::tile::{Kernel, Row, WIDTH, dense_row, dispatch, vectors, vectors_mut};
use super::super::{Gradients, parallel, reduce, scratch};
use super::Shape;
use super::reached::Reached;
use super::seen::Seen;
use pulp::Simd;

/// Into how many parts a batch is cut for the gradient of the weights, whatever the number of threads.
const GROUPS: usize = 8;

/// Taps whose sums are kept in registers at the same time.
const TAPS: usize = 3;

/// `dy` is the gradient of the result, or with `norm` that of what the batch normalisation and the epilogue made of it.
pub fn backward(
    s: &Shape,
    x: &[f32],
    weight: &[f32],
    norm: Option<(&Norm, Saved)>,
    dy: &[f32],
    want_dx: bool,
) -> Gradients {
    let (image, output) = (s.image(), dy.len() / s.batch.max(1));
    let per_group = s.batch.div_ceil(GROUPS).max(1);
    let (groups, seen, reached) = (s.batch.div_ceil(per_group), Seen::new(s), Reached::new(s));
    let (dw_len, sums_len) = (weight.len() * WIDTH, weight.len() * WIDTH + s.channels);
    // Each group has its own sums: dW, in lanes that are added up at the end, then db. Where dx is not wanted a dummy
    // value per group keeps the loop one.
    let mut partial = vec![0f32; groups * sums_len];
    let dx_lens = if want_dx { (s.batch * image, per_group * image) } else { (groups, 1) };
    let dx = parallel::filled2(dx_lens, (&mut partial, sums_len), 2 * s.batch * s.work(), |group, mut dx, sums| {
        let (dw, db) = sums.split_at_mut(dw_len);
        for n in (group * per_group..s.batch).take(per_group) {
            let dx = want_dx.then(|| dx.take(image));
            let (x, dy) = (&x[n * image..][..image], &dy[n * output..][..output]);
            let normalised = if norm.is_some() { s.output[0] * s.output[1] } else { 0 };
            scratch::with([seen.len(), reached.len(), s.plane(), normalised], |[copies, shifted, sorted, normalised]| {
                let norm = norm.map(|(norm, saved)| (norm, saved, n, normalised));
                let (seen, reached) = (&seen, &reached);
                dispatch(Backward { s, seen, reached, x, weight, norm, dy, copies, shifted, sorted, dw, db, dx });
            });
        }
    });
    let mut sums = vec![0f32; sums_len];
    for group in partial.chunks_exact(sums_len) {
        sums.iter_mut().zip(group).for_each(|(sum, part)| *sum += part);
    }
    let bias = sums.split_off(dw_len);
    let weight = sums.as_chunks::<WIDTH>().0.iter().map(|lanes| reduce::sum(lanes, |v| v)).collect();
    Gradients { x: want_dx.then_some(dx), weight, bias }
}

/// One image's part of dW and db, and its dx.
struct Backward<'a> {
    s: &'a Shape,
    seen: &'a Seen,
    reached: &'a Reached,
    x: &'a [f32],
    weight: &'a [f32],
    /// With batch normalisation: what the backward pass knows of it, the image's number, and scratch for a plane.
    norm: Option<(&'a Norm<'a>, Saved<'a>, usize, &'a mut [f32])>,
    dy: &'a [f32],
    /// Scratch, see [`Seen`].
    copies: &'a mut [f32],
    /// Scratch, see [`Reached`].
    shifted: &'a mut [f32],
    /// Scratch for a plane.
    sorted: &'a mut [f32],
    /// In lanes; added to.
    dw: &'a mut [f32],
    /// Added to.
    db: &'a mut [f32],
    dx: Option<&'a mut [f32]>,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, seen, reached, x, weight, mut norm, dy, copies, shifted, sorted, dw, db, mut dx } = self;
        let (size, results, taps) = (s.plane(), dy.len() / s.channels, s.taps());
        let mut terms = Vec::with_capacity(taps);
        copies.fill(0.);
        shifted.fill(0.);
        for channel in 0..s.channels {
            let (x, dy) = (&x[channel * size..][..size], &dy[channel * results..][..results]);
            let dy = match &mut norm {
                Some((norm, saved, n, plane)) => {
                    conv_norm::gradient(norm, saved, *n, channel, dy, plane);
                    &**plane
                }
                None => dy,
            };
            db[channel] += reduce::sum(dy, |v| v);

            seen.copy(x, sorted, copies);
            let dw = vectors_mut::<S, V>(&mut dw[channel * taps * WIDTH..][..taps * WIDTH]);
            for (dw, starts) in dw.chunks_mut(TAPS).zip(seen.starts.chunks(TAPS)) {
                match (dw.as_chunks_mut().0, starts.as_chunks().0) {
                    ([dw], [starts]) => dots::<S, V, TAPS>(simd, dw, starts, copies, dy),
                    _ => dw.iter_mut().zip(starts).for_each(|(dw, &start)| {
                        dots::<S, V, 1>(simd, std::array::from_mut(dw), &[start], copies, dy);
                    }),
                }
            }

            let Some(dx) = dx.as_deref_mut() else { continue };
            let dx = &mut dx[channel * size..][..size];
            reached.copy(dy, shifted);
            reached.phases.joined(dx, sorted, |i, pixels| {
                reached.terms(i, &weight[channel * taps..][..taps], &mut terms);
                dense_row::<S, V>(simd, pixels, &terms, shifted, 0., None);
            });
        }
    }
}

/// `dw[t] += Σ_i values[starts[t] + i] · dy[i]`, in lanes.
#[inline(always)]
fn dots<S: Simd, const V: usize, const T: usize>(
    simd: S,
    dw: &mut [Row<S, V>; T],
    starts: &[usize; T],
    values: &[f32],
    dy: &[f32],
) {
    let mut sums = *dw;
    let (body, tail) = dy.as_chunks::<WIDTH>();
    let values: [&[f32]; T] = std::array::from_fn(|t| &values[starts[t]..][..dy.len()]);
    let rows: [&[Row<S, V>]; T] = std::array::from_fn(|t| &vectors::<S, V>(values[t])[..body.len()]);
    for (i, dy) in vectors::<S, V>(body.as_flattened()).iter().enumerate() {
        for t in 0..T {
            for v in 0..V {
                sums[t][v] = simd.mul_add_e_f32s(rows[t][i][v], dy[v], sums[t][v]);
            }
        }
    }
    if !tail.is_empty() {
        let lanes = WIDTH / V;
        for v in 0..V.min(tail.len().div_ceil(lanes)) {
            let part = v * lanes..tail.len().min((v + 1) * lanes);
            let dy = simd.partial_load_f32s(&tail[part.clone()]);
            for t in 0..T {
                let x = simd.partial_load_f32s(&values[t][body.len() * WIDTH..][part.clone()]);
                sums[t][v] = simd.mul_add_e_f32s(x, dy, sums[t][v]);
            }
        }
    }
    *dw = sums;
}
