//! How Winograd's form ([`super::winograd`]) cuts images into tiles, and its weights.

use super::super::tile::{ROWS, Steps, WIDTH};
use super::geometry::{Epilogue, Geometry, Shape};

/// Places of a transformed tile.
pub const PLACES: usize = 16;

/// Tiles that are transformed at a time.
pub const CHUNK: usize = 4 * ROWS;

/// How many images are done together at most, so that a batch is still many pieces of work.
const MOST_IMAGES: usize = 4;

/// Where a tile lies.
pub struct Tile {
    /// Which of the images that are done together.
    pub image: usize,
    /// Its first pixel in their padded buffers.
    pub start: usize,
    /// The rows of its 2×2 outputs among those of its image; none beyond the edge.
    pub outputs: [Option<usize>; 4],
}

/// How the images are cut into tiles.
pub struct Tiling {
    /// How many images are done together.
    pub images: usize,
    /// A padded image with what the tiles at its edge see beyond, zeros.
    pub image: usize,
    tiles: Vec<Tile>,
    /// Input channels, rounded up to a multiple of [`WIDTH`].
    pub depth: usize,
    pub channels: Steps,
    /// Where the tiles of a chunk lie among the transformed pixels.
    pub steps: Steps,
    /// The input channels in blocks of [`ROWS`], the last one repeated.
    pub channel_rows: Vec<usize>,
}

impl Tiling {
    /// None where the direct form is the one to use.
    pub fn new(s: &Shape, g: &Geometry) -> Option<Self> {
        let (window, [height, width]) = (s.window, s.output);
        let fits = window.kernel == [3, 3] && window.stride == [1, 1] && height.min(width) > 1;
        if !fits || s.in_channels < WIDTH / 2 || s.out_channels < WIDTH / 2 {
            return None;
        }
        let pixel = s.in_channels;
        let pooled = s.epilogue == Epilogue::ReluMaxPool;
        let [down, across] = if pooled { s.result() } else { [height.div_ceil(2), width.div_ceil(2)] };
        let image = (2 * height.div_ceil(2) + 2) * g.row + pixel + WIDTH;
        let images = CHUNK.div_ceil(down * across).min(MOST_IMAGES);
        let place = |y: usize, x: usize| (y < height && x < width).then_some(y * width + x);
        let tiles = (0..images * down * across).map(|i| {
            let (i, y, x) = (i / (down * across), i / across % down, i % across);
            let outputs = if pooled {
                [0, 1, 2, 3].map(|corner| Some(4 * (y * across + x) + corner))
            } else {
                [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dy, dx)| place(2 * y + dy, 2 * x + dx))
            };
            Tile { image: i, start: i * image + 2 * y * g.row + 2 * x * pixel, outputs }
        });
        let depth = pixel.next_multiple_of(WIDTH);
        let channel_rows = (0..pixel.next_multiple_of(ROWS)).map(|c| c.min(pixel - 1)).collect();
        Some(Self {
            images,
            image,
            tiles: tiles.collect(),
            depth,
            channels: Steps::new((0..pixel).collect()),
            steps: Steps::new((0..CHUNK).map(|i| i * depth).collect()),
            channel_rows,
        })
    }

    /// Scratch for the transformed pixels of a chunk: (place, tile, channel).
    pub fn pixels(&self) -> usize {
        PLACES * CHUNK * self.depth
    }

    /// Scratch for the transformed sums of a chunk and one block of channels: (place, tile, channel).
    pub const SUMS: usize = PLACES * CHUNK * WIDTH;

    /// The length of transformed weights as [`Tiling::transform`] gives them.
    pub fn weights(&self, g: &Geometry) -> usize {
        PLACES * g.blocks * self.channel_rows.len() * WIDTH
    }

    /// The tiles of the first images, in chunks.
    pub fn chunks(&self, images: usize) -> impl Iterator<Item = &[Tile]> {
        self.tiles[..self.tiles.len() / self.images * images].chunks(CHUNK)
    }

    /// Weights (C_out, C_in, 3, 3) as the forward product reads them: (block, place, input, output of the block).
    pub fn transform(&self, s: &Shape, g: &Geometry, weight: &[f32]) -> Vec<f32> {
        let (mut packed, depth) = (vec![0f32; self.weights(g)], self.channel_rows.len());
        self.visit(s, weight, |output, input, place, value| {
            packed[((output / WIDTH * PLACES + place) * depth + input) * WIDTH + output % WIDTH] = value;
        });
        packed
    }

    /// The same as the gradient of the input reads them: (block of inputs, place, output, input of the block).
    pub fn transform_back(&self, s: &Shape, weight: &[f32]) -> Vec<f32> {
        let mut packed = vec![0f32; PLACES * self.depth * s.out_channels];
        self.visit(s, weight, |output, input, place, value| {
            packed[((input / WIDTH * PLACES + place) * s.out_channels + output) * WIDTH + input % WIDTH] = value;
        });
        packed
    }

    /// For [`Dx::channels`].
    pub fn output_channels(&self, s: &Shape) -> Steps {
        Steps::new((0..s.out_channels).map(|c| c / WIDTH * Self::SUMS + c % WIDTH).collect())
    }

    fn visit(&self, s: &Shape, weight: &[f32], mut visit: impl FnMut(usize, usize, usize, f32)) {
        for (i, g) in weight.as_chunks::<9>().0.iter().enumerate() {
            let g = [[g[0], g[1], g[2]], [g[3], g[4], g[5]], [g[6], g[7], g[8]]];
            let transformed = both(0., g, |[a, b, c]| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]);
            for (place, &value) in transformed.as_flattened().iter().enumerate() {
                visit(i / s.in_channels, i % s.in_channels, place, value);
            }
        }
    }

    /// The gradient of the weights from that of the transformed ones, in the order of [`Tiling::transform`].
    pub fn weight_gradient(&self, s: &Shape, packed: &[f32]) -> Vec<f32> {
        let depth = self.channel_rows.len();
        let mut gradient = Vec::with_capacity(s.out_channels * s.in_channels * 9);
        for (output, input) in
            (0..s.out_channels).flat_map(|output| (0..s.in_channels).map(move |input| (output, input)))
        {
            let at = |place| packed[((output / WIDTH * PLACES + place) * depth + input) * WIDTH + output % WIDTH];
            let du = std::array::from_fn(|y| std::array::from_fn(|x| at(4 * y + x)));
            let dg = both(0., du, |[a, b, c, d]: [f32; 4]| [a + 0.5 * (b + c), 0.5 * (b - c), 0.5 * (b + c) + d]);
            gradient.extend_from_slice(dg.as_flattened());
        }
        gradient
    }
}

/// A transformation of one dimension applied to both of a square.
#[inline(always)]
pub fn both<T: Copy, const I: usize, const O: usize>(
    zero: T,
    d: [[T; I]; I],
    line: impl Fn([T; I]) -> [T; O],
) -> [[T; O]; O] {
    // Loops, because the closures that `map` and `from_fn` want would be compiled without vector instructions.
    let mut rows = [[zero; I]; O];
    for x in 0..I {
        let mut column = [zero; I];
        for y in 0..I {
            column[y] = d[y][x];
        }
        let column = line(column);
        for y in 0..O {
            rows[y][x] = column[y];
        }
    }
    let mut out = [[zero; O]; O];
    for y in 0..O {
        out[y] = line(rows[y]);
    }
    out
}
