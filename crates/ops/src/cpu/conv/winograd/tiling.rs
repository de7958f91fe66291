//! How images are cut into tiles, and which convolutions have enough channels for that.

use crate::cpu::{
    conv::{patch_layout::PatchLayout, shape::ConvShape},
    micro_kernel::{BLOCK_ROWS, Offsets},
    simd::BLOCK_WIDTH,
};

/// The largest number of images to compute together, so that a batch still splits into enough parallel tasks.
const MOST_IMAGES: usize = 4;

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
    /// The position of each of its outputs, as in [`PatchLayout::patch_starts`]; `None` beyond the edge.
    pub outputs: [[Option<usize>; OUT]; OUT],
}

/// How images are cut into tiles of OUT×OUT outputs.
pub struct Tiling<const OUT: usize> {
    /// The number of images that are computed together.
    pub images_per_call: usize,
    /// The length of a padded image, including zeros that tiles see beyond its edge.
    pub image_len: usize,
    /// The tiles of the images that are computed together.
    tiles: Vec<Tile<OUT>>,
    /// The number of input channels, rounded up to a multiple of [`BLOCK_WIDTH`].
    pub padded_channels: usize,
    /// 0 to C_in.
    pub channels: Offsets,
    /// Where the tiles of a chunk lie in its transformed pixels, for each element of a tile and channel.
    pub tile_offsets: Offsets,
    /// The input channels, with the last repeated up to a multiple of [`BLOCK_ROWS`].
    pub channel_rows: Vec<usize>,
}

impl<const OUT: usize> Tiling<OUT> {
    /// The number of elements of a transformed tile.
    pub const TILE_LEN: usize = (OUT + 2) * (OUT + 2);

    /// The number of tiles that are transformed at a time: as many as leave the second-level cache room for the weights.
    pub const CHUNK: usize = if OUT == 2 { 4 * BLOCK_ROWS } else { 2 * BLOCK_ROWS };

    /// The number of values of one block of channels of a chunk's transformed tiles, (element, tile, [`BLOCK_WIDTH`]).
    pub const BLOCK_LEN: usize = Self::TILE_LEN * Self::CHUNK * BLOCK_WIDTH;

    /// Creates the tiling of a convolution that [`supports`] this algorithm.
    pub fn new(s: &ConvShape, layout: &PatchLayout) -> Self {
        let [height, width] = s.output;
        let pixel = s.in_channels;
        let ([rows, columns], [down, across]) = (computed(s), tiles_per_image::<OUT>(s));
        let position = |y: usize, x: usize| {
            let position =
                if s.is_pooled() { 4 * (y / 2 * (columns / 2) + x / 2) + y % 2 * 2 + x % 2 } else { y * width + x };
            (y < rows && x < columns).then_some(position)
        };
        let image_len = (OUT * height.div_ceil(OUT) + 2) * layout.row_len + (OUT - 1) * pixel + BLOCK_WIDTH;
        let images_per_call = Self::CHUNK.div_ceil(down * across).min(MOST_IMAGES);
        let tiles = (0..images_per_call * down * across).map(|i| {
            let (image, y, x) = (i / (down * across), OUT * (i / across % down), OUT * (i % across));
            let outputs = std::array::from_fn(|dy| std::array::from_fn(|dx| position(y + dy, x + dx)));
            Tile { image, start: image * image_len + y * layout.row_len + x * pixel, outputs }
        });
        let padded_channels = pixel.next_multiple_of(BLOCK_WIDTH);
        let channel_rows = (0..pixel.next_multiple_of(BLOCK_ROWS)).map(|c| c.min(pixel - 1)).collect();
        Self {
            images_per_call,
            image_len,
            tiles: tiles.collect(),
            padded_channels,
            channels: Offsets::new((0..pixel).collect()),
            tile_offsets: Offsets::new((0..Self::CHUNK).map(|i| i * padded_channels).collect()),
            channel_rows,
        }
    }

    /// Returns the number of values of a chunk's transformed pixels, (element, tile, channel).
    pub fn pixels_len(&self) -> usize {
        Self::TILE_LEN * Self::CHUNK * self.padded_channels
    }

    /// Returns the number of values of the transformed weights in the order of [`weights::pack`](super::weights::pack).
    pub fn weights_len(&self, layout: &PatchLayout) -> usize {
        Self::TILE_LEN * layout.channel_blocks * self.channel_rows.len() * BLOCK_WIDTH
    }

    /// Returns the tiles of the first `images` images, in chunks.
    pub fn chunks(&self, images: usize) -> impl Iterator<Item = &[Tile<OUT>]> {
        self.tiles[..self.tiles.len() / self.images_per_call * images].chunks(Self::CHUNK)
    }
}
