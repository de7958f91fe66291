use super::shape::ConvShape;
use crate::{
    cpu::{
        map_order::MapOrder,
        micro_kernel::{BLOCK_ROWS, Offsets},
        simd::{BLOCK_WIDTH, HALF_BLOCK},
    },
    window::Window,
};

/// Where the patches of an image lie in memory. Products read them there through these offsets, which replace the
/// patch matrix of im2col (as the indirection buffer does in Dukhan 2019, arXiv 1907.02129).
///
/// The image is padded and channels last, (H + 2p, W + 2p, C_in), so that the kw·C_in values that one row of the kernel
/// sees are contiguous; or, as made by [`PatchLayout::of_planes`], left as it is, (C_in, H, W).
#[derive(Debug)]
pub struct PatchLayout {
    /// The number of values of a row of the image.
    pub row_len: usize,
    /// The number of values of the image, including what a block may read or write beyond its end.
    pub image_len: usize,
    /// Where the patch of each output position starts: row by row, or with pooling window by window, four positions
    /// each. The last is repeated up to a multiple of [`BLOCK_ROWS`].
    pub patch_starts: Vec<usize>,
    /// The same without the repetitions, to sum over.
    pub positions: Offsets,
    /// Where the values of a patch lie, relative to its start, in the order (ky, kx, C_in).
    pub taps: Offsets,
    /// The same to iterate in blocks, with the last repeated up to a multiple of [`BLOCK_ROWS`].
    pub tap_rows: Vec<usize>,
    /// The number of values that a kernel row sees, kw·C_in, rounded up to a multiple of [`BLOCK_WIDTH`].
    pub kernel_row_len: usize,
    /// The number of output channels of a block.
    pub block_width: usize,
    /// The number of blocks of output channels.
    pub channel_blocks: usize,
}

impl PatchLayout {
    /// Creates the layout of a padded, channels-last image, with half a block of output channels if there are no more.
    pub fn with_half_block(s: &ConvShape) -> Self {
        let block_width = if s.out_channels <= HALF_BLOCK { HALF_BLOCK } else { BLOCK_WIDTH };
        Self { block_width, ..Self::channels_last(s) }
    }

    /// Creates the layout of a padded, channels-last image.
    pub fn channels_last(s: &ConvShape) -> Self {
        let Window { kernel, stride, padding } = s.window;
        let pixel = s.in_channels;
        let row_len = (s.input[1] + 2 * padding[1]) * pixel;
        let start = |y: usize, x: usize| y * stride[0] * row_len + x * stride[1] * pixel;
        let [height, width] = s.result();
        let results = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let patch_starts: Vec<usize> = if s.is_pooled() {
            results
                .flat_map(|(y, x)| [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| start(2 * y + i, 2 * x + j)))
                .collect()
        } else {
            results.map(|(y, x)| start(y, x)).collect()
        };
        let taps = (0..kernel[0]).flat_map(|ky| (0..kernel[1] * pixel).map(move |i| ky * row_len + i)).collect();
        let image_len = (s.input[0] + 2 * padding[0]) * row_len + BLOCK_WIDTH;
        Self::new(s, row_len, image_len, patch_starts, taps)
    }

    /// Creates the layout of an image as it is, (C_in, H, W), for a 1×1 kernel of stride 1 without padding.
    pub fn of_planes(s: &ConvShape) -> Self {
        let len = s.input[0] * s.input[1];
        let taps = (0..s.in_channels).map(|channel| channel * len).collect();
        Self::new(s, s.input[1], s.input_len(), (0..len).collect(), taps)
    }

    fn new(s: &ConvShape, row_len: usize, image_len: usize, patch_starts: Vec<usize>, taps: Vec<usize>) -> Self {
        Self {
            row_len,
            image_len,
            patch_starts: in_block_rows(patch_starts.clone()),
            positions: Offsets::new(patch_starts),
            tap_rows: in_block_rows(taps.clone()),
            taps: Offsets::new(taps),
            kernel_row_len: (s.window.kernel[1] * s.in_channels).next_multiple_of(BLOCK_WIDTH),
            block_width: BLOCK_WIDTH,
            channel_blocks: s.out_channels.div_ceil(BLOCK_WIDTH),
        }
    }

    /// Returns whether an input image as it is, in its order, is what kernels take for a padded one. Its rows then fill whole blocks,
    /// because a block of the gradient is written as a whole.
    pub fn is_in_place(&self, s: &ConvShape) -> bool {
        let fills_blocks = self.kernel_row_len == s.window.kernel[1] * s.in_channels;
        s.input_order == MapOrder::Pixels && s.window.padding == [0, 0] && fills_blocks
    }

    /// Returns where the output channels of a position lie in a matrix of [`blocked_len`](Self::blocked_len) values,
    /// relative to the position.
    pub fn blocked_channels(&self, s: &ConvShape) -> Offsets {
        let width = self.block_width;
        let block = self.patch_starts.len() * width;
        Offsets::new((0..s.out_channels).map(|c| c / width * block + c % width).collect())
    }

    /// Returns the length of a matrix of all positions and output channels in the order (block of channels, position, channel of
    /// the block), in which the kernels hold the output and its gradient.
    pub fn blocked_len(&self) -> usize {
        self.channel_blocks * self.patch_starts.len() * self.block_width
    }
}

/// Repeats the last offset up to a multiple of [`BLOCK_ROWS`].
fn in_block_rows(mut offsets: Vec<usize>) -> Vec<usize> {
    let last = offsets.last().copied().unwrap_or(0);
    offsets.resize(offsets.len().next_multiple_of(BLOCK_ROWS), last);
    offsets
}
