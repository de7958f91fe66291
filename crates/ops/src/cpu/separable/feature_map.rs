use crate::{
    cpu::{
        isa::vectorised,
        simd::{BLOCK_WIDTH, HALF_BLOCK},
        transpose::transpose,
    },
    window::Window,
};

/// The layout of a feature map: positions in row-major order, the channels of a position side by side, and around the
/// positions a border of zeros, which the depthwise convolution that reads the map takes as its padding.
#[derive(Debug, Clone)]
pub struct FeatureMap {
    pub channels: usize,
    /// Height and width without the border.
    pub size: [usize; 2],
    /// The height of the upper and lower border, and the width of the left and right one.
    pub border: [usize; 2],
    /// The distance of neighbouring positions: a multiple of [`BLOCK_WIDTH`]; or [`HALF_BLOCK`] if the rows of the map, and those
    /// of what reads it, fill whole vectors nevertheless. The values behind the channels of a position are zeros.
    pub pitch: usize,
}

impl FeatureMap {
    /// Lays out a map for the depthwise convolution `reader`, or without a border if there is none.
    pub fn new(channels: usize, size: [usize; 2], reader: Option<&Window>) -> Self {
        // A vector then holds two neighbouring positions, which have neighbouring results only with stride 1.
        let is_narrow = channels <= HALF_BLOCK
            && reader.is_some_and(|Window { kernel, stride, padding }| {
                let width = size[1] + 2 * padding[1] + 1 - kernel[1];
                stride[1] == 1 && size[1].is_multiple_of(2) && width.is_multiple_of(2)
            });
        let pitch = if is_narrow { HALF_BLOCK } else { channels.next_multiple_of(BLOCK_WIDTH) };
        Self { channels, size, border: reader.map_or([0; 2], |window| window.padding), pitch }
    }

    /// Returns whether a position has half a block of channels.
    pub fn is_narrow(&self) -> bool {
        self.pitch == HALF_BLOCK
    }

    /// Returns the values of the channels in the order in which they meet the values of the map, as whole vectors, with zeros
    /// where there is no channel.
    pub fn lanes(&self, value: impl Fn(usize) -> f32) -> Vec<f32> {
        let channels = (0..self.pitch.max(BLOCK_WIDTH)).map(|lane| lane % self.pitch);
        channels.map(|channel| if channel < self.channels { value(channel) } else { 0. }).collect()
    }

    /// Returns the distance of neighbouring rows.
    pub fn row_len(&self) -> usize {
        (self.size[1] + 2 * self.border[1]) * self.pitch
    }

    /// Returns the number of values of the map.
    pub fn len(&self) -> usize {
        (self.size[0] + 2 * self.border[0]) * self.row_len()
    }

    /// Returns where the position (0, 0) starts.
    pub fn origin(&self) -> usize {
        self.border[0] * self.row_len() + self.border[1] * self.pitch
    }

    /// Sets the border to zero.
    pub fn clear_border(&self, map: &mut [f32]) {
        if self.border == [0; 2] {
            return;
        }
        let (row, end) = (self.row_len(), self.origin() + self.size[0] * self.row_len());
        map[..self.origin()].fill(0.);
        // The right border of a row and the left one of the next are adjacent.
        let between = 2 * self.border[1] * self.pitch;
        for y in 1..self.size[0] {
            map[self.origin() + y * row - between..][..between].fill(0.);
        }
        map[end - between..].fill(0.);
    }
}

vectorised! {
/// Copies planes (C, H, W) to a map, border included.
pub fn planes_to_map<'a>(layout: &'a FeatureMap, planes: &'a [f32], map: &'a mut [f32]) {
    let [height, width] = layout.size;
    map.fill(0.);
    for y in 0..height {
        let row = &mut map[layout.origin() + y * layout.row_len()..];
        transpose(&planes[y * width..], height * width, row, layout.pitch, [layout.channels, width]);
    }
}
}

vectorised! {
/// Copies a map without a border to planes (C, H, W).
pub fn map_to_planes<'a>(layout: &'a FeatureMap, map: &'a [f32], planes: &'a mut [f32]) {
    let positions = layout.size[0] * layout.size[1];
    transpose(map, layout.pitch, planes, positions, [positions, layout.channels]);
}
}

/// Copies a map without a border to pixels (H, W, C).
pub fn map_to_pixels(layout: &FeatureMap, map: &[f32], pixels: &mut [f32]) {
    for (position, pixel) in map.chunks_exact(layout.pitch).zip(pixels.chunks_exact_mut(layout.channels)) {
        pixel.copy_from_slice(&position[..layout.channels]);
    }
}
