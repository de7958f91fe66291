//! How images are cut into tiles, and which convolutions have enough channels for that.

use std::ops::Range;

use crate::cpu::{
    conv::{patch_layout::PatchLayout, shape::ConvShape},
    simd::BLOCK_WIDTH,
};

/// The number of tiles that fills the register blocks of every instruction set.
pub const ROW_MULTIPLE: usize = 8;

/// The least common multiple of the possible numbers of images per call, so that rows per image compare as integers.
const COMMON_MULTIPLE: usize = 840;

/// The number of channels from which on F(4×4) rounds at most twice as much as a plain sum.
pub const LEAST_CHANNELS_OF_F4: usize = 32;

/// Returns whether this algorithm can compute the convolution, and has enough channels to be worth it.
pub fn supports(s: &ConvShape) -> bool {
    let (window, [height, width]) = (s.window, s.output);
    window.kernel == [3, 3]
        && window.stride == [1, 1]
        && height.min(width) > 1
        && s.in_channels >= BLOCK_WIDTH / 2
        && s.out_channels >= BLOCK_WIDTH / 2
}

/// Returns the number of multiplications per image and pair of channels with tiles of OUT×OUT outputs.
pub fn multiplications<const OUT: usize>(s: &ConvShape) -> usize {
    tiles_per_image::<OUT>(s).iter().product::<usize>() * Tiling::<OUT>::TILE_LEN
}

/// Returns the numbers of rows and columns of the output that are computed: those that a pooling drops are not.
fn computed(s: &ConvShape) -> [usize; 2] {
    if s.is_pooled() { s.result().map(|n| 2 * n) } else { s.output }
}

/// Returns the number of tiles down and across an image.
fn tiles_per_image<const OUT: usize>(s: &ConvShape) -> [usize; 2] {
    computed(s).map(|n| n.div_ceil(OUT))
}

/// A tile of OUT×OUT outputs.
pub struct Tile<const OUT: usize> {
    /// Which of the images that are computed together it belongs to.
    pub image: usize,
    /// The index of its first pixel in their padded buffers.
    pub start: usize,
    /// Its number among the tiles of its image.
    pub number: usize,
    /// The position of each of its outputs, as in [`PatchLayout::patch_starts`]; `None` beyond the edge.
    pub outputs: [[Option<usize>; OUT]; OUT],
}

/// How images are cut into tiles of OUT×OUT outputs.
pub struct Tiling<const OUT: usize> {
    /// The number of images that are computed together.
    pub images_per_call: usize,
    /// The length of a padded image, including zeros that tiles see beyond its edge.
    pub image_len: usize,
    /// The numbers of tiles down and across an image.
    per_image: [usize; 2],
    /// The tiles of the images that are computed together.
    tiles: Vec<Tile<OUT>>,
}

impl<const OUT: usize> Tiling<OUT> {
    /// The number of elements of a transformed tile.
    pub const TILE_LEN: usize = (OUT + 2) * (OUT + 2);

    /// The number of tiles that are transformed at a time, a multiple of [`ROW_MULTIPLE`]: as many as leave the
    /// second-level cache room for the weights.
    pub const CHUNK: usize = 4 * ROW_MULTIPLE;

    /// The number of rows from one element of transformed tiles to the next. One more than there are tiles, so that the
    /// elements of a tile fall into different sets of the first-level cache.
    pub const STRIDE: usize = Self::CHUNK + 1;

    /// The number of values of one block of channels of a chunk's transformed tiles, (element, tile, [`BLOCK_WIDTH`]).
    pub const BLOCK_LEN: usize = Self::TILE_LEN * Self::STRIDE * BLOCK_WIDTH;

    /// Creates the tiling of a convolution that [`supports`] this algorithm, for calls of up to `most_images`.
    pub fn new(s: &ConvShape, layout: &PatchLayout, most_images: usize) -> Self {
        let [height, width] = s.output;
        let pixel = s.in_channels;
        let ([rows, columns], [down, across]) = (computed(s), tiles_per_image::<OUT>(s));
        let position = |y: usize, x: usize| {
            let position =
                if s.is_pooled() { 4 * (y / 2 * (columns / 2) + x / 2) + y % 2 * 2 + x % 2 } else { y * width + x };
            (y < rows && x < columns).then_some(position)
        };
        let image_len = (OUT * height.div_ceil(OUT) + 2) * layout.row_len + (OUT - 1) * pixel + BLOCK_WIDTH;
        let images_per_call = images_per_call(down * across, Self::CHUNK, most_images);
        let tiles = (0..images_per_call * down * across).map(|i| {
            let (image, number) = (i / (down * across), i % (down * across));
            let (y, x) = (OUT * (number / across), OUT * (number % across));
            let outputs = std::array::from_fn(|dy| std::array::from_fn(|dx| position(y + dy, x + dx)));
            let start = image * image_len + y * layout.row_len + x * pixel;
            Tile { image, start, number, outputs }
        });
        Self { images_per_call, image_len, per_image: [down, across], tiles: tiles.collect() }
    }

    /// Returns row and column of the first output of each tile of an image.
    pub fn first_outputs(&self) -> impl Iterator<Item = [usize; 2]> {
        let [down, across] = self.per_image;
        (0..down * across).map(move |number| [OUT * (number / across), OUT * (number % across)])
    }

    /// Returns the tiles of the first `images` images, in chunks.
    pub fn chunks(&self, images: usize) -> impl ExactSizeIterator<Item = &[Tile<OUT>]> {
        self.chunks_of_rows(images, 0..OUT * self.per_image[0])
    }

    /// Returns the tiles of these rows of the output of one image, in chunks; of several images all rows have to be asked for.
    pub fn chunks_of_rows(&self, images: usize, rows: Range<usize>) -> impl ExactSizeIterator<Item = &[Tile<OUT>]> {
        let [down, across] = self.per_image;
        debug_assert!(
            images == 1 || (rows.start == 0 && rows.end.div_ceil(OUT) == down),
            "some rows of several images"
        );
        let end = (images - 1) * down + rows.end.div_ceil(OUT);
        self.tiles[rows.start / OUT * across..end * across].chunks(Self::CHUNK)
    }

    /// Returns the least number of rows of the output whose tiles fill a register block.
    pub fn rows_per_band(&self) -> usize {
        OUT * ROW_MULTIPLE.div_ceil(self.per_image[1])
    }
}

/// Returns the number of images to compute together: enough to fill a chunk, and with as few unused rows in the last
/// register block as possible.
fn images_per_call(tiles_per_image: usize, chunk: usize, most: usize) -> usize {
    let unused = |images: &usize| {
        let tiles = images * tiles_per_image;
        (tiles.next_multiple_of(ROW_MULTIPLE) - tiles) * COMMON_MULTIPLE / images
    };
    let least = chunk.div_ceil(tiles_per_image).min(most);
    (least..=most).min_by_key(unused).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_images_enough_for_a_chunk_and_leaves_few_rows_unused() {
        // 25 tiles: two images leave 6 of 56 rows unused, four leave 4 of 104.
        assert_eq!(images_per_call(25, 32, 4), 4);
        assert_eq!(images_per_call(64, 32, 4), 1);
        assert_eq!([4, 8].map(|most| images_per_call(4, 32, most)), [4, 8]);
    }
}
