//! Conversions between feature maps in either order and rows of a block of channels, which kernels read and write.

use std::ops::Range;

use crate::cpu::{
    isa::vectorised,
    simd::{BLOCK_WIDTH, HALF_BLOCK},
    transpose::{transpose, transpose_rows},
};

/// Copies rows of up to [`BLOCK_WIDTH`] channels, `distance` values apart, to these positions of planes of `len` values.
#[inline(always)]
pub fn rows_to_planes(rows: &[f32], distance: usize, planes: &mut [f32], len: usize, positions: Range<usize>) {
    let channels = planes.len() / len;
    transpose(rows, distance, &mut planes[positions.start..], len, [positions.len(), channels]);
}

/// Copies up to `width` planes of `len` values to rows of `width` channels.
pub fn planes_to_rows(planes: &[f32], len: usize, rows: &mut [f32], width: usize) {
    transpose_rows(planes, len, rows, width, [planes.len() / len, len]);
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
