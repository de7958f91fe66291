//! How images are cut into tiles, and the weights.

use super::super::super::parallel;
use super::super::super::tile::{ROWS, Steps, WIDTH};
use super::super::geometry::{Epilogue, Geometry, Shape};
use super::form::Form;

/// How many images are done together at most, so that a batch is still many pieces of work.
const MOST_IMAGES: usize = 4;

/// Where a tile lies.
pub struct Tile<const OUT: usize> {
    /// Which of the images that are done together.
    pub image: usize,
    /// Its first pixel in their padded buffers.
    pub start: usize,
    /// The rows of its outputs among those of its image; none beyond the edge.
    pub outputs: [[Option<usize>; OUT]; OUT],
}

/// How the images are cut into tiles of OUT×OUT.
pub struct Tiling<const OUT: usize> {
    /// How many images are done together.
    pub images: usize,
    /// A padded image with what the tiles at its edge see beyond, zeros.
    pub image: usize,
    tiles: Vec<Tile<OUT>>,
    /// Input channels, rounded up to a multiple of [`WIDTH`].
    pub depth: usize,
    pub channels: Steps,
    /// Where the tiles of a chunk lie among the transformed pixels.
    pub steps: Steps,
    /// The input channels in blocks of [`ROWS`], the last one repeated.
    pub channel_rows: Vec<usize>,
}

impl<const OUT: usize> Tiling<OUT> {
    /// Places of a transformed tile.
    pub const PLACES: usize = (OUT + 2) * (OUT + 2);

    /// Tiles that are transformed at a time: as many as leave the second-level cache room for the weights.
    pub const CHUNK: usize = if OUT == 2 { 4 * ROWS } else { 2 * ROWS };

    /// Scratch for the transformed sums of a chunk and one block of channels: (place, tile, channel).
    pub const SUMS: usize = Self::PLACES * Self::CHUNK * WIDTH;

    /// None where the direct form is the one to use.
    pub fn new(s: &Shape, g: &Geometry) -> Option<Self> {
        let (window, [height, width]) = (s.window, s.output);
        let fits = window.kernel == [3, 3] && window.stride == [1, 1] && height.min(width) > 1;
        if !fits || s.in_channels < WIDTH / 2 || s.out_channels < WIDTH / 2 {
            return None;
        }
        let pixel = s.in_channels;
        let pooled = s.epilogue == Epilogue::ReluMaxPool;
        // Of those a pooling drops there are none.
        let [rows, columns] = if pooled { s.result().map(|n| 2 * n) } else { s.output };
        let [down, across] = [rows.div_ceil(OUT), columns.div_ceil(OUT)];
        let place = |y: usize, x: usize| {
            let place = if pooled { 4 * (y / 2 * (columns / 2) + x / 2) + y % 2 * 2 + x % 2 } else { y * width + x };
            (y < rows && x < columns).then_some(place)
        };
        let image = (OUT * height.div_ceil(OUT) + 2) * g.row + (OUT - 1) * pixel + WIDTH;
        let images = Self::CHUNK.div_ceil(down * across).min(MOST_IMAGES);
        let tiles = (0..images * down * across).map(|i| {
            let (i, y, x) = (i / (down * across), OUT * (i / across % down), OUT * (i % across));
            let outputs = std::array::from_fn(|dy| std::array::from_fn(|dx| place(y + dy, x + dx)));
            Tile { image: i, start: i * image + y * g.row + x * pixel, outputs }
        });
        let depth = pixel.next_multiple_of(WIDTH);
        let channel_rows = (0..pixel.next_multiple_of(ROWS)).map(|c| c.min(pixel - 1)).collect();
        Some(Self {
            images,
            image,
            tiles: tiles.collect(),
            depth,
            channels: Steps::new((0..pixel).collect()),
            steps: Steps::new((0..Self::CHUNK).map(|i| i * depth).collect()),
            channel_rows,
        })
    }

    /// How many multiplications a pair of channels takes for an image.
    pub fn multiplications(&self) -> usize {
        self.tiles.len() / self.images * Self::PLACES
    }

    /// Scratch for the transformed pixels of a chunk: (place, tile, channel).
    pub fn pixels(&self) -> usize {
        Self::PLACES * Self::CHUNK * self.depth
    }

    /// The length of transformed weights as [`Tiling::transform`] gives them.
    pub fn weights(&self, g: &Geometry) -> usize {
        Self::PLACES * g.blocks * self.channel_rows.len() * WIDTH
    }

    /// The tiles of the first images, in chunks.
    pub fn chunks(&self, images: usize) -> impl Iterator<Item = &[Tile<OUT>]> {
        self.tiles[..self.tiles.len() / self.images * images].chunks(Self::CHUNK)
    }

    /// Weights (C_out, C_in, 3, 3) as the forward product reads them: (block, place, input, output of the block).
    pub fn transform<F: Form<OUT, IN>, const IN: usize>(&self, s: &Shape, g: &Geometry, weight: &[f32]) -> Vec<f32> {
        let (depth, patch) = (self.channel_rows.len(), s.patch());
        let block = Self::PLACES * depth * WIDTH;
        parallel::filled(g.blocks * block, block, WORK * weight.len(), |i, packed| {
            let packed = packed.take_all();
            for (output, weight) in weight[i * WIDTH * patch..].chunks_exact(patch).take(WIDTH).enumerate() {
                for (input, g) in weight.as_chunks().0.iter().enumerate() {
                    for (place, &value) in transformed::<F, OUT, IN>(g).as_flattened().iter().enumerate() {
                        packed[(place * depth + input) * WIDTH + output] = value;
                    }
                }
            }
        })
    }
}

/// About how many operations the transformation of a weight takes, memory included.
pub const WORK: usize = 16;

/// The transformed weights of a pair of channels.
pub fn transformed<F: Form<OUT, IN>, const OUT: usize, const IN: usize>(g: &[f32; 9]) -> [[f32; IN]; IN] {
    F::weights([[g[0], g[1], g[2]], [g[3], g[4], g[5]], [g[6], g[7], g[8]]])
}
