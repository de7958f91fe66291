//! Feature maps with a border of zeros, channels last, as convolutions read them.

use std::ops::Range;

use super::{
    batch_norm, conv_input::ConvInput, isa::vectorised, map_order::MapOrder, simd::BLOCK_WIDTH, transpose::transpose,
};

/// The sizes of a padded, channels-last feature map, (top + H + bottom, left + W + right, C).
#[derive(Debug, Clone, Copy)]
pub struct PaddedMap {
    pub channels: usize,
    /// Height and width without the border.
    pub size: [usize; 2],
    /// The height of the upper border and the width of the left one.
    pub before: [usize; 2],
    /// The height of the lower border and the width of the right one.
    pub after: [usize; 2],
}

impl PaddedMap {
    /// Lays out a map with the padding of a convolution around it.
    pub fn new(channels: usize, size: [usize; 2], padding: [usize; 2]) -> Self {
        Self { channels, size, before: padding, after: padding }
    }

    /// Returns height and width with the border.
    pub fn padded_size(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.before[axis] + self.size[axis] + self.after[axis])
    }

    /// Returns the number of values of a row.
    pub fn row_len(&self) -> usize {
        self.padded_size()[1] * self.channels
    }

    /// Returns the number of values of the map.
    pub fn len(&self) -> usize {
        self.padded_size()[0] * self.row_len()
    }

    /// Returns where the map without its border starts.
    pub fn origin(&self) -> usize {
        self.before[0] * self.row_len() + self.before[1] * self.channels
    }

    /// Sets the border of these rows to zero, and what lies behind the map if they are the last. Returns which rows of the map
    /// without its border they are, and the values of these rows, borders included.
    pub fn clear_border<'a>(&self, rows: Range<usize>, padded: &'a mut [f32]) -> (Range<usize>, &'a mut [f32]) {
        let ([height, width], [top, left], row_len) = (self.size, self.before, self.row_len());
        let (first, end) = (rows.start.clamp(top, top + height), rows.end.clamp(top, top + height));
        if rows.start < top {
            padded[..top * row_len].fill(0.);
        }
        if rows.end >= top + height {
            padded[(top + height) * row_len..].fill(0.);
        }
        let padded = &mut padded[first * row_len..end * row_len];
        if left + self.after[1] > 0 {
            for row in padded.chunks_exact_mut(row_len) {
                row[..left * self.channels].fill(0.);
                row[(left + width) * self.channels..].fill(0.);
            }
        }
        (first - top..end - top, padded)
    }

    /// Writes an image in this order into the middle of a padded one, and sets the border to zero. Of the padded image at least
    /// `rows` are written, and what lies behind the last row if `rows` end there.
    pub fn pad(&self, rows: Range<usize>, x: ConvInput, order: MapOrder, padded: &mut [f32]) {
        let (rows, padded) = self.clear_border(rows, padded);
        match x {
            // There is nothing but a border.
            _ if rows.is_empty() => {}
            ConvInput::Normalised { x, affine, relu } if affine.order() == MapOrder::Pixels => {
                let (pixels, start) = (self.size[1], self.before[1] * self.channels);
                let x = &x[rows.start * pixels * self.channels..rows.end * pixels * self.channels];
                batch_norm::scale_and_shift_rows(x, affine, relu, [pixels, self.row_len()], &mut padded[start..]);
            }
            x => x.with(self.channels * self.size[0] * self.size[1], |x| copy_rows(self, order, rows, x, padded)),
        }
    }

    /// Returns whether the middle of a padded image in this order is its [`middle_rows`](Self::middle_rows).
    pub fn has_middle_rows(&self, order: MapOrder) -> bool {
        // With one channel both orders are the same.
        order == MapOrder::Pixels || self.channels == 1
    }

    /// Returns the rows of the middle of a padded image, the adjoint of [`pad`](Self::pad) where it
    /// [`has_middle_rows`](Self::has_middle_rows).
    pub fn middle_rows<'a>(&self, padded: &'a [f32]) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let ([height, width], pixel) = (self.size, self.channels);
        padded[self.origin()..].chunks(self.row_len()).take(height).map(move |row| &row[..width * pixel])
    }

    /// Copies the middle of a padded image to planes: the adjoint of [`pad`](Self::pad).
    pub fn middle_to_planes(&self, padded: &[f32], x: &mut [f32]) {
        transpose_middle(self, &padded[self.origin()..], x);
    }
}

vectorised! {
/// Copies rows of an image to rows of a padded one, between their borders.
fn copy_rows<'a>(map: &'a PaddedMap, order: MapOrder, rows: Range<usize>, x: &'a [f32], padded: &'a mut [f32]) {
    let ([height, width], left, pixel, row_len) = (map.size, map.before[1], map.channels, map.row_len());
    if map.has_middle_rows(order) {
        let x = x[rows.start * width * pixel..].chunks_exact(width * pixel);
        let of_image = padded.chunks_exact_mut(row_len).zip(x);
        return of_image.for_each(|(row, x)| row[left * pixel..][..x.len()].copy_from_slice(x));
    }
    for channel in (0..pixel).step_by(BLOCK_WIDTH) {
        for (y, row) in rows.clone().zip(padded.chunks_exact_mut(row_len)) {
            let x = &x[(channel * height + y) * width..];
            let channels = BLOCK_WIDTH.min(pixel - channel);
            transpose(x, height * width, &mut row[left * pixel + channel..], pixel, [channels, width]);
        }
    }
}
}

vectorised! {
/// Copies a map whose first pixel is that of `padded` to planes.
fn transpose_middle<'a>(map: &'a PaddedMap, padded: &'a [f32], x: &'a mut [f32]) {
    let ([height, width], pixel, row_len) = (map.size, map.channels, map.row_len());
    for first in (0..pixel).step_by(BLOCK_WIDTH) {
        let channels = BLOCK_WIDTH.min(pixel - first);
        for y in 0..height {
            let row = &padded[y * row_len + first..];
            transpose(row, pixel, &mut x[(first * height + y) * width..], height * width, [width, channels]);
        }
    }
}
}
