use crate::cpu::{conv::shape::ConvShape, simd::BLOCK_WIDTH};

/// Small images are computed together until they have this number of positions.
const POSITIONS: usize = 8 * BLOCK_WIDTH;

/// The largest number of images to compute together, so that a batch still splits into enough parallel tasks.
const MOST_IMAGES: usize = 8;

/// Returns the number of images to compute together.
pub fn images_per_call(s: &ConvShape) -> usize {
    POSITIONS.div_ceil(s.output_plane()).min(MOST_IMAGES)
}
