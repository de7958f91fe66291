//! Conversions between feature maps in either order and the layouts that kernels read.

use std::ops::Range;

use super::{patch_layout::PatchLayout, shape::ConvShape};
use crate::cpu::{
    batch_norm,
    conv_input::ConvInput,
    isa::vectorised,
    map_order::MapOrder,
    simd::{BLOCK_WIDTH, HALF_BLOCK},
    transpose::transpose,
};

/// Writes an image into the middle of a padded, channels-last one, (H + 2p, W + 2p, C_in), and sets the padding to zero. Of
/// the padded image at least `rows` are written, and what lies behind the last row if `rows` end there.
pub fn pad(s: &ConvShape, layout: &PatchLayout, rows: Range<usize>, x: ConvInput, padded: &mut [f32]) {
    let ([height, width], [top, left], pixel) = (s.input, s.window.padding, s.in_channels);
    let (first, end) = (rows.start.clamp(top, top + height), rows.end.clamp(top, top + height));
    if rows.start < top {
        padded[..top * layout.row_len].fill(0.);
    }
    if rows.end >= top + height {
        padded[(top + height) * layout.row_len..].fill(0.);
    }
    let padded = &mut padded[first * layout.row_len..end * layout.row_len];
    if left > 0 {
        for row in padded.chunks_exact_mut(layout.row_len) {
            row[..left * pixel].fill(0.);
            row[(left + width) * pixel..].fill(0.);
        }
    }
    let rows = first - top..end - top;
    match x {
        ConvInput::Normalised { x, affine, relu } if affine.order() == MapOrder::Pixels => {
            let x = &x[rows.start * width * pixel..rows.end * width * pixel];
            batch_norm::scale_and_shift_rows(x, affine, relu, [width, layout.row_len], &mut padded[left * pixel..]);
        }
        x => x.with(s.input_len(), |x| copy_rows(s, layout, rows, x, padded)),
    }
}

vectorised! {
/// Copies rows of an image to rows of a padded, channels-last one, between their padding.
fn copy_rows<'a>(s: &'a ConvShape, layout: &'a PatchLayout, rows: Range<usize>, x: &'a [f32], padded: &'a mut [f32]) {
    let ([height, width], left, pixel) = (s.input, s.window.padding[1], s.in_channels);
    // With one channel both orders are the same.
    if s.input_order == MapOrder::Pixels || pixel == 1 {
        let x = x[rows.start * width * pixel..].chunks_exact(width * pixel);
        let of_image = padded.chunks_exact_mut(layout.row_len).zip(x);
        return of_image.for_each(|(row, x)| row[left * pixel..][..x.len()].copy_from_slice(x));
    }
    for channel in (0..pixel).step_by(BLOCK_WIDTH) {
        for (y, row) in rows.clone().zip(padded.chunks_exact_mut(layout.row_len)) {
            let x = &x[(channel * height + y) * width..];
            let channels = BLOCK_WIDTH.min(pixel - channel);
            transpose(x, height * width, &mut row[left * pixel + channel..], pixel, [channels, width]);
        }
    }
}
}

vectorised! {
/// Copies the middle of a padded, channels-last image to `x`: the adjoint of [`pad`].
pub fn unpad<'a>(s: &'a ConvShape, layout: &'a PatchLayout, padded: &'a [f32], x: &'a mut [f32]) {
    let ([height, width], [top, left], pixel) = (s.input, s.window.padding, s.in_channels);
    // With one channel both orders are the same.
    if s.input_order == MapOrder::Pixels || pixel == 1 {
        let rows = padded[top * layout.row_len..].chunks_exact(layout.row_len).zip(x.chunks_exact_mut(width * pixel));
        return rows.for_each(|(row, x)| x.copy_from_slice(&row[left * pixel..][..x.len()]));
    }
    for first in (0..pixel).step_by(BLOCK_WIDTH) {
        let channels = BLOCK_WIDTH.min(pixel - first);
        for y in 0..height {
            let row = &padded[(top + y) * layout.row_len + left * pixel + first..];
            transpose(row, pixel, &mut x[(first * height + y) * width..], height * width, [width, channels]);
        }
    }
}
}

/// Copies rows of up to [`BLOCK_WIDTH`] channels, `distance` values apart, to these positions of planes of `len` values.
#[inline(always)]
pub fn rows_to_planes(rows: &[f32], distance: usize, planes: &mut [f32], len: usize, positions: Range<usize>) {
    let channels = planes.len() / len;
    transpose(rows, distance, &mut planes[positions.start..], len, [positions.len(), channels]);
}

vectorised! {
/// Copies up to `width` planes of `len` values to rows of `width` channels.
pub fn planes_to_rows<'a>(planes: &'a [f32], len: usize, rows: &'a mut [f32], width: usize) {
    transpose(planes, len, rows, width, [planes.len() / len, len]);
}
}

/// Copies rows of up to [`BLOCK_WIDTH`] channels, `distance` values apart, to the pixels of a map of `channels` channels, from
/// the first value of the first pixel on.
#[inline(always)]
pub fn rows_to_pixels(rows: &[f32], distance: usize, pixels: &mut [f32], channels: usize, count: usize) {
    for (row, start) in rows.chunks(distance).zip((0..pixels.len()).step_by(channels)) {
        let pixels = &mut pixels[start..];
        // A copy of a fixed length takes no call. What it writes behind a pixel, the next pixel overwrites.
        if count == BLOCK_WIDTH {
            pixels[..BLOCK_WIDTH].copy_from_slice(&row[..BLOCK_WIDTH]);
        } else if count == channels && count <= HALF_BLOCK && pixels.len() >= HALF_BLOCK {
            pixels[..HALF_BLOCK].copy_from_slice(&row[..HALF_BLOCK]);
        } else {
            pixels[..count].copy_from_slice(&row[..count]);
        }
    }
}

vectorised! {
/// Copies up to `width` channels of each pixel to the start of a row of `width`.
pub fn pixels_to_rows<'a>(
    pixels: &'a [f32],
    pixel: usize,
    channels: Range<usize>,
    rows: &'a mut [f32],
    width: usize,
) {
    let rows = rows.chunks_exact_mut(width).zip(pixels.chunks_exact(pixel));
    // A copy of a fixed length takes no call.
    if channels.len() == BLOCK_WIDTH {
        rows.for_each(|(row, pixel)| row[..BLOCK_WIDTH].copy_from_slice(&pixel[channels.start..][..BLOCK_WIDTH]));
    } else {
        rows.for_each(|(row, pixel)| row[..channels.len()].copy_from_slice(&pixel[channels.clone()]));
    }
}
}
