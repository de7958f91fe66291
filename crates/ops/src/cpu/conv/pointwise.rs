//! 1×1 convolutions of stride 1: a matrix product over channels that takes and gives planes as they are,
//! `y (C_out × P) = W (C_out × C_in) · x (C_in × P)`; and its adjoint `dx = Wᵀ · dy`. For the gradient of the weights
//! see [`super::dense`].
//!
//! Positions are done [`WIDTH`] at a time, laid side by side first, one row for each channel. They are counted through
//! several images, so that small planes leave no block half empty.

use super::super::conv_norm::Norm;
use super::super::source::Source;
use super::super::tally::Tally;
use super::super::tile::{Kernel, ROWS, Steps, WIDTH, dispatch, product, vectors_mut};
use super::super::{parallel::Fresh, scratch};
use super::epilogue::{self, Saved};
use super::geometry::{Epilogue, Geometry, Shape};
use super::{dense, pack::to_rows};
use pulp::Simd;
use std::ops::Range;

/// Images are done together until they have this many positions.
const TOGETHER: usize = 8 * WIDTH;

/// But not more than this many, so that a batch is still many pieces of work.
const MOST_IMAGES: usize = 8;

/// Whether this is the form to use.
pub fn fits(s: &Shape) -> bool {
    let window = s.window;
    window.kernel == [1, 1]
        && window.stride == [1, 1]
        && window.padding == [0, 0]
        && s.epilogue != Epilogue::ReluMaxPool
}

/// How many images are done at once.
pub fn together(s: &Shape) -> usize {
    TOGETHER.div_ceil(s.output[0] * s.output[1]).min(MOST_IMAGES)
}

/// Of so many images at once: `weight` is (C_out, C_in), `x` (N, C_in, P), `y` (N, C_out, P), `steps` 0 to C_in.
pub fn forward(s: &Shape, steps: &Steps, x: &[f32], weight: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    let (positions, relu) = (s.output[0] * s.output[1], s.epilogue == Epilogue::Relu);
    scratch::with([steps.len() * WIDTH], |[block]| {
        dispatch(Product { positions, steps, weight, x, bias, relu, block, y });
    });
}

/// The weights as (C_in, C_out), and 0 to C_out.
pub fn transposed(s: &Shape, weight: &[f32]) -> (Vec<f32>, Steps) {
    let columns = (0..s.in_channels).flat_map(|input| weight[input..].iter().step_by(s.in_channels));
    (columns.copied().collect(), Steps::new((0..s.out_channels).collect()))
}

/// The gradients of a batch.
pub struct Backward<'a> {
    pub s: &'a Shape,
    pub g: &'a Geometry,
    pub x: Source<'a>,
    /// As [`transposed`] gives them.
    pub weight: &'a [f32],
    pub channels: &'a Steps,
    pub saved: Saved<'a>,
    pub norm: Option<&'a Norm<'a>>,
    pub dy: &'a [f32],
}

impl Backward<'_> {
    /// Those of some images: `dw`, in the order [`super::Order::OutputsLast`], and `db` are added to, `dx` and the
    /// tallies of it are theirs alone.
    pub fn run(
        &self,
        images: Range<usize>,
        dw: &mut [f32],
        db: &mut [f32],
        mut dx: Option<Fresh>,
        tally: Tally,
        tallies: &mut [f32],
    ) {
        let Self { s, g, x, weight, channels, saved, norm, dy } = *self;
        let (positions, len) = (s.output[0] * s.output[1], s.out_channels * s.output[0] * s.output[1]);
        let results = dy.len() / s.batch;
        for first in images.clone().step_by(together(s)) {
            let part = first..(first + together(s)).min(images.end);
            let lens = [part.len() * len, g.blocked(), s.out_channels * WIDTH];
            scratch::with(lens, |[planes, rows, block]| {
                let dy = &dy[part.start * results..part.end * results];
                let planes = epilogue::gradient_of_planes(s, saved, norm, first * s.out_channels, dy, planes);
                if !s.out_channels.is_multiple_of(WIDTH) {
                    rows.fill(0.);
                }
                x.with(first, part.len(), s.image(), |x| {
                    for (image, planes) in x.chunks_exact(s.image()).zip(planes.chunks_exact(len)) {
                        let blocks = rows.chunks_exact_mut(g.positions.len() * WIDTH);
                        let planes = planes.chunks(WIDTH * positions);
                        blocks.zip(planes).for_each(|(rows, planes)| to_rows(planes, positions, rows));
                        dispatch(dense::Backward { s, g, image, dy: rows, dw, db, dx: None });
                    }
                });
                if let Some(dx) = &mut dx {
                    let y = dx.take(part.len() * s.image());
                    let (x, steps, bias, relu) = (planes, channels, None, false);
                    dispatch(Product { positions, steps, weight, x, bias, relu, block, y: &mut *y });
                    let tallies = &mut tallies[(first - images.start) * tally.len..];
                    tally.take(first, part.len(), y, tallies);
                }
            });
        }
    }
}

/// The product for some images.
pub struct Product<'a> {
    /// Of an image.
    pub positions: usize,
    /// 0 to the number of channels of `x`.
    pub steps: &'a Steps,
    /// (channels of y, channels of x)
    pub weight: &'a [f32],
    /// (images, channels, positions)
    pub x: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
    /// Scratch: a row of [`WIDTH`] for each channel of `x`.
    pub block: &'a mut [f32],
    /// (images, channels, positions)
    pub y: &'a mut [f32],
}

/// Columns of a block that lie in one image.
#[derive(Clone, Copy, Default)]
struct Part {
    image: usize,
    /// Its first position there.
    place: usize,
    /// Its first column.
    column: usize,
    len: usize,
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { positions, steps, weight, x, bias, relu, block, y } = self;
        let depth = steps.len();
        let channels = weight.len() / depth;
        let total = y.len() / channels;
        for first in (0..total).step_by(WIDTH) {
            let mut parts = [Part::default(); WIDTH];
            let parts = cut(first..(first + WIDTH).min(total), positions, &mut parts);
            for (k, row) in block.as_chunks_mut().0.iter_mut().enumerate() {
                load(parts, x, |image| (image * depth + k) * positions, row);
            }
            for channel in (0..channels).step_by(ROWS) {
                let mut rows = [0; ROWS];
                for (r, row) in rows.iter_mut().enumerate() {
                    *row = (channel + r).min(channels - 1) * depth;
                }
                let sums = product::<S, V>(simd, weight, &rows, steps.all(), block);
                let mut values = Block([[0.; WIDTH]; ROWS]);
                for (r, mut row) in sums.into_iter().enumerate() {
                    if let Some(bias) = bias {
                        let bias = simd.splat_f32s(bias[(channel + r).min(channels - 1)]);
                        row = std::array::from_fn(|v| simd.add_f32s(row[v], bias));
                    }
                    if relu {
                        row = epilogue::relu(simd, row);
                    }
                    vectors_mut::<S, V>(&mut values.0[r])[0] = row;
                }
                for (channel, values) in (channel..channels).zip(&values.0) {
                    store(parts, values, |image| (image * channels + channel) * positions, y);
                }
            }
        }
    }
}

/// Starts at a cache line: what straddles two is slow to read right after it was written.
#[repr(align(64))]
struct Block([[f32; WIDTH]; ROWS]);

/// Cuts columns where an image ends.
#[inline(always)]
fn cut(columns: Range<usize>, positions: usize, parts: &mut [Part; WIDTH]) -> &[Part] {
    let (mut next, mut count) = (columns.start, 0);
    while next < columns.end {
        let (image, place) = (next / positions, next % positions);
        let len = (positions - place).min(columns.end - next);
        parts[count] = Part { image, place, column: next - columns.start, len };
        next += len;
        count += 1;
    }
    &parts[..count]
}

/// A block's columns of one channel; `plane` is where that starts in an image.
#[inline(always)]
fn load(parts: &[Part], x: &[f32], plane: impl Fn(usize) -> usize, row: &mut [f32; WIDTH]) {
    match *parts {
        // Of known length, so that it is a load and a store.
        [Part { image, place, len: WIDTH, .. }] => row.copy_from_slice(&x[plane(image) + place..][..WIDTH]),
        _ => parts.iter().for_each(|&Part { image, place, column, len }| {
            row[column..][..len].copy_from_slice(&x[plane(image) + place..][..len]);
        }),
    }
}

/// The way back.
#[inline(always)]
fn store(parts: &[Part], row: &[f32; WIDTH], plane: impl Fn(usize) -> usize, y: &mut [f32]) {
    match *parts {
        [Part { image, place, len: WIDTH, .. }] => y[plane(image) + place..][..WIDTH].copy_from_slice(row),
        _ => parts.iter().for_each(|&Part { image, place, column, len }| {
            y[plane(image) + place..][..len].copy_from_slice(&row[column..][..len]);
        }),
    }
}
