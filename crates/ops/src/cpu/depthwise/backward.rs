//! The backward pass.

use super::super::conv::Saved;
use super::super::conv_norm::{self, Norm};
use super::super::planes::{Grid, Planes, dots, row, surrounded};
use super::super::source::Source;
use super::super::tally::{Tally, added_up};
use super::super::tile::{Kernel, WIDTH, dispatch, vectors_mut};
use super::super::{Gradients, parallel, reduce, scratch};
use super::Shape;
use pulp::Simd;

/// Into how many parts a batch is cut for the gradient of the weights, whatever the number of threads.
const GROUPS: usize = 8;

/// `dy` is the gradient of the result, or with `norm` that of what the batch normalisation and the epilogue made of it.
/// With it comes a tally of dx.
pub fn backward(
    s: &Shape,
    x: Source,
    weight: &[f32],
    norm: Option<(&Norm, Saved)>,
    dy: &[f32],
    want_dx: bool,
    tally: Tally,
) -> (Gradients, Vec<f32>) {
    let (image, output) = (s.image(), dy.len() / s.batch.max(1));
    let per_group = s.batch.div_ceil(GROUPS).max(1);
    let (groups, grid) = (s.batch.div_ceil(per_group), Grid::new(&s.window, s.input, s.output));
    let (dw_len, sums_len) = (weight.len() * WIDTH, weight.len() * WIDTH + s.channels);
    // Each group has its own sums: dW, in lanes that are added up at the end, then db, then tallies. Where dx is not
    // wanted a dummy value per group keeps the loop one.
    let group_len = sums_len + per_group * tally.len;
    let mut partial = parallel::filled(groups * group_len, group_len, groups * group_len, |_, _| ());
    let dx_lens = if want_dx { (s.batch * image, per_group * image) } else { (groups, 1) };
    let dx = parallel::filled2(dx_lens, (&mut partial, group_len), 2 * s.batch * s.work(), |group, mut dx, sums| {
        let (dw, sums) = sums.split_at_mut(dw_len);
        let (db, tallies) = sums.split_at_mut(s.channels);
        for (i, n) in (group * per_group..s.batch).take(per_group).enumerate() {
            let mut dx = want_dx.then(|| dx.take(image));
            let dy = &dy[n * output..][..output];
            let pixels = grid.with_margins(grid.classes.len());
            let lens = [pixels, pixels, grid.with_margins(1), s.output[0] * s.output[1]];
            scratch::with(lens, |[pixels, sums, outputs, plane]| {
                let (grid, norm) = (&grid, norm.map(|(norm, saved)| (norm, saved, n)));
                let dx = dx.as_deref_mut();
                x.with(n, 1, image, |x| {
                    dispatch(Backward { s, grid, x, weight, norm, dy, pixels, sums, outputs, plane, dw, db, dx });
                });
            });
            if let Some(dx) = dx {
                tally.take(n, 1, dx, &mut tallies[i * tally.len..]);
            }
        }
    });
    let (mut sums, tallies) = added_up(&partial, group_len, sums_len);
    let bias = sums.split_off(dw_len);
    let weight = sums.as_chunks::<WIDTH>().0.iter().map(|lanes| reduce::sum(lanes, |v| v)).collect();
    (Gradients { x: want_dx.then_some(dx), weight, bias }, tallies)
}

/// One image's part of dW and db, and its dx.
struct Backward<'a> {
    s: &'a Shape,
    grid: &'a Grid,
    x: &'a [f32],
    weight: &'a [f32],
    /// With batch normalisation: what the backward pass knows of it, and the image's number.
    norm: Option<(&'a Norm<'a>, Saved<'a>, usize)>,
    dy: &'a [f32],
    /// Scratch for the pixels on the grid, with margins.
    pixels: &'a mut [f32],
    /// The same for their gradients.
    sums: &'a mut [f32],
    /// Scratch for the grid, with margins.
    outputs: &'a mut [f32],
    /// Scratch for a plane of the output.
    plane: &'a mut [f32],
    /// In lanes; added to.
    dw: &'a mut [f32],
    /// Added to.
    db: &'a mut [f32],
    dx: Option<&'a mut [f32]>,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, grid, x, weight, norm, dy, pixels, sums, outputs, plane, dw, db, mut dx } = self;
        let (size, results, taps) = (s.plane(), dy.len() / s.channels, s.taps());
        for channel in 0..s.channels {
            // The gradient of the outputs, and the same on the grid.
            let mut gradient = &dy[channel * results..][..results];
            if let Some((norm, saved, n)) = &norm {
                conv_norm::gradient(norm, saved, *n, channel, gradient, plane);
                gradient = plane;
            }
            db[channel] += reduce::sum(gradient, |v| v);
            let outputs = if !grid.is_output() {
                grid.spread(gradient, &mut outputs[grid.margin..]);
                &*outputs
            } else if norm.is_some() {
                surrounded(gradient, 0, gradient.len(), grid.margin, outputs)
            } else {
                surrounded(dy, channel * results, results, grid.margin, outputs)
            };

            let values = grid.pixels(x, channel..channel + 1, pixels);
            let planes = Planes { values, masks: &grid.masks };
            let outputs = Planes { values: outputs, masks: &grid.masks };
            let dw = vectors_mut::<S, V>(&mut dw[channel * taps * WIDTH..][..taps * WIDTH]);
            dots::<S, V>(simd, dw, (&grid.seen, planes), (&grid.outputs, outputs), grid.plane());

            let Some(dx) = dx.as_deref_mut() else { continue };
            let dx = &mut dx[channel * size..][..size];
            let weight = &weight[channel * taps..][..taps];
            if grid.is_input() {
                row::<S, V>(simd, &grid.classes[0].met_by, weight, outputs, None, None, dx);
                continue;
            }
            for (class, sums) in grid.classes.iter().zip(sums.chunks_exact_mut(grid.plane())) {
                row::<S, V>(simd, &class.met_by, weight, outputs, None, None, sums);
            }
            grid.join(sums, dx);
        }
    }
}
