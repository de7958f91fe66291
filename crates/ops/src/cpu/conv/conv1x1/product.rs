//! The matrix product over channels that both passes of a 1×1 convolution use, on planes (images, channels, positions).

use std::ops::Range;

use pulp::Simd;

use crate::cpu::{
    micro_kernel::{BLOCK_ROWS, Offsets, block_product},
    simd::{BLOCK_WIDTH, CacheAligned, Kernel, add, relu, vectors_mut},
};

/// Multiplies the planes of some images by a matrix over channels, then applies bias and ReLU.
///
/// Positions are columns of the product, [`BLOCK_WIDTH`] of them at a time, which are first copied side by side. They are
/// counted across images, so that small planes leave no block half empty.
pub struct PlaneProduct<'a> {
    /// The number of positions of an image.
    pub positions: usize,
    /// 0 to the number of channels of `x`.
    pub channels: &'a Offsets,
    /// (channels of y, channels of x)
    pub weight: &'a [f32],
    /// (images, channels, positions)
    pub x: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
    /// Scratch for the columns of a block: [`BLOCK_WIDTH`] values for each channel of `x`.
    pub columns: &'a mut [f32],
    /// (images, channels, positions)
    pub y: &'a mut [f32],
}

impl Kernel for PlaneProduct<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { positions, channels: inputs, weight, x, bias, relu: with_relu, columns, y } = self;
        let depth = inputs.len();
        let channels = weight.len() / depth;
        let total = y.len() / channels;
        for first in (0..total).step_by(BLOCK_WIDTH) {
            let mut spans = [Span::default(); BLOCK_WIDTH];
            let spans = split_by_image(first..(first + BLOCK_WIDTH).min(total), positions, &mut spans);
            for k in 0..depth {
                load(spans, x, |image| (image * depth + k) * positions, &mut columns[k * BLOCK_WIDTH..]);
            }
            for channel in (0..channels).step_by(BLOCK_ROWS) {
                let mut rows = [0; BLOCK_ROWS];
                for (r, row) in rows.iter_mut().enumerate() {
                    *row = (channel + r).min(channels - 1) * depth;
                }
                let sums = block_product::<S, V>(simd, weight, &rows, inputs.all(), columns);
                let mut values = CacheAligned([[0.; BLOCK_WIDTH]; BLOCK_ROWS]);
                for (r, mut row) in sums.into_iter().enumerate() {
                    if let Some(bias) = bias {
                        let bias = simd.splat_f32s(bias[(channel + r).min(channels - 1)]);
                        row = add::<S, V>(simd, row, [bias; V]);
                    }
                    if with_relu {
                        row = relu::<S, V>(simd, row);
                    }
                    vectors_mut::<S, V>(&mut values.0[r])[0] = row;
                }
                for (channel, values) in (channel..channels).zip(&values.0) {
                    store(spans, values, |image| (image * channels + channel) * positions, y);
                }
            }
        }
    }
}

/// Neighbouring columns of a block that lie in one image.
#[derive(Clone, Copy, Default)]
struct Span {
    /// The image.
    image: usize,
    /// The first position in the image.
    position: usize,
    /// The first column in the block.
    column: usize,
    /// The number of columns.
    len: usize,
}

/// Splits a range of columns where an image ends.
#[inline(always)]
fn split_by_image(columns: Range<usize>, positions: usize, spans: &mut [Span; BLOCK_WIDTH]) -> &[Span] {
    let (mut next, mut count) = (columns.start, 0);
    while next < columns.end {
        let (image, position) = (next / positions, next % positions);
        let len = (positions - position).min(columns.end - next);
        spans[count] = Span { image, position, column: next - columns.start, len };
        next += len;
        count += 1;
    }
    &spans[..count]
}

/// Copies a block's columns of one channel to the first row of `rows`; `plane` gives the start of the channel's plane in an image.
/// The values after it have no meaning then.
#[inline(always)]
fn load(spans: &[Span], x: &[f32], plane: impl Fn(usize) -> usize, rows: &mut [f32]) {
    for &Span { image, position, column, len } in spans {
        let (from, to) = (&x[plane(image) + position..], &mut rows[column..]);
        match (from.first_chunk::<BLOCK_WIDTH>(), to.first_chunk_mut::<BLOCK_WIDTH>()) {
            // A length known to the compiler, so that this is a load and a store. The next span, or the next row, overwrites
            // what is too much.
            (Some(from), Some(to)) => *to = *from,
            _ => to[..len].copy_from_slice(&from[..len]),
        }
    }
}

/// Copies a row to a block's columns of one channel; the inverse of [`load`], without any value too much.
#[inline(always)]
fn store(spans: &[Span], row: &[f32; BLOCK_WIDTH], plane: impl Fn(usize) -> usize, y: &mut [f32]) {
    match *spans {
        [Span { image, position, len: BLOCK_WIDTH, .. }] => {
            y[plane(image) + position..][..BLOCK_WIDTH].copy_from_slice(row);
        }
        _ => spans.iter().for_each(|&Span { image, position, column, len }| {
            y[plane(image) + position..][..len].copy_from_slice(&row[column..][..len]);
        }),
    }
}
