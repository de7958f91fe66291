//! Where tiles find their pixels in an image without a border.

use super::tiling::Tiling;
use crate::cpu::conv::shape::ConvShape;

/// Takes the place of a pixel's index in the border, which is zero.
const BORDER: usize = usize::MAX;

/// Where the pixels of a tile are in an image without a border, channels last.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// All of them lie in the image. This is the index of the first.
    Within(usize),
    /// The tile reaches beyond an edge. These are the indices of its pixels, row by row, and for the border one that is beyond any
    /// image.
    AtEdge(&'a [usize]),
}

/// The places of all tiles of an image.
pub struct Places {
    /// For each tile the index of its first pixel, or [`BORDER`] if not all of them lie in the image.
    starts: Vec<usize>,
    /// For each tile that reaches beyond an edge the indices of its pixels, one tile after the other.
    edge_pixels: Vec<usize>,
    /// For each tile where its part of `edge_pixels` starts.
    edge_starts: Vec<usize>,
    /// The number of pixels of a tile.
    tile_len: usize,
}

impl Places {
    /// Finds the places of the tiles of a convolution.
    pub fn new<const OUT: usize>(s: &ConvShape, tiling: &Tiling<OUT>) -> Self {
        let (side, tile_len) = (OUT + 2, Tiling::<OUT>::TILE_LEN);
        let (mut starts, mut edge_pixels, mut edge_starts) = (Vec::new(), Vec::new(), Vec::new());
        for [y, x] in tiling.first_outputs() {
            let edge = edge_pixels.len();
            edge_pixels.extend((0..tile_len).map(|i| index_in_image(s, y + i / side, x + i % side)));
            edge_starts.push(edge);
            let start = edge_pixels[edge];
            let index = |i: usize| start.wrapping_add((i / side * s.input[1] + i % side) * s.in_channels);
            let is_within =
                edge_pixels[edge..].iter().enumerate().all(|(i, &pixel)| pixel != BORDER && pixel == index(i));
            if is_within {
                edge_pixels.truncate(edge);
            }
            starts.push(if is_within { start } else { BORDER });
        }
        Self { starts, edge_pixels, edge_starts, tile_len }
    }

    /// Returns the place of the tile with this number.
    #[inline(always)]
    pub fn of_tile(&self, number: usize) -> Place<'_> {
        match self.starts[number] {
            BORDER => Place::AtEdge(&self.edge_pixels[self.edge_starts[number]..][..self.tile_len]),
            start => Place::Within(start),
        }
    }
}

/// Returns the index in an image without a border, channels last, of the pixel that a padded image has in row `y` and column
/// `x`, or [`BORDER`]. A column beyond the end of the row is one of the next row.
fn index_in_image(s: &ConvShape, y: usize, x: usize) -> usize {
    let ([height, width], [top, left]) = (s.input, s.window.padding);
    let padded_width = width + 2 * left;
    let (y, x) = (y + x / padded_width, x % padded_width);
    if (top..top + height).contains(&y) && (left..left + width).contains(&x) {
        ((y - top) * width + x - left) * s.in_channels
    } else {
        BORDER
    }
}
