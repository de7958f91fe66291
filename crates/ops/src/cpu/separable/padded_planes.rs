use crate::{cpu::isa::vectorised, window::Window};

/// The layout of planes (C, H, W) with a border of zeros, from which a dense convolution reads its patches.
#[derive(Debug, Clone)]
pub struct PaddedPlanes {
    channels: usize,
    /// Height and width without the border.
    size: [usize; 2],
    border: [usize; 2],
    stride: [usize; 2],
    kernel: [usize; 2],
}

impl PaddedPlanes {
    /// Lays out the input of a convolution.
    pub fn new(channels: usize, size: [usize; 2], window: &Window) -> Self {
        let Window { kernel, stride, padding: border } = *window;
        Self { channels, size, border, stride, kernel }
    }

    fn row_len(&self) -> usize {
        self.size[1] + 2 * self.border[1]
    }

    fn plane_len(&self) -> usize {
        (self.size[0] + 2 * self.border[0]) * self.row_len()
    }

    /// Returns the number of values of all planes.
    pub fn len(&self) -> usize {
        self.channels * self.plane_len()
    }

    /// Returns the distances of the patches of neighbouring rows and columns of the output.
    pub fn steps(&self) -> [usize; 2] {
        [self.stride[0] * self.row_len(), self.stride[1]]
    }

    /// Returns where the values of a patch lie, relative to its first one, in the order of the weights (C, kh, kw).
    pub fn patch(&self) -> Vec<usize> {
        let mut offsets = Vec::new();
        for channel in 0..self.channels {
            for y in 0..self.kernel[0] {
                let start = channel * self.plane_len() + y * self.row_len();
                offsets.extend(start..start + self.kernel[1]);
            }
        }
        offsets
    }
}

vectorised! {
/// Copies planes and surrounds them with zeros.
pub fn pad<'a>(layout: &'a PaddedPlanes, planes: &'a [f32], padded: &'a mut [f32]) {
    let ([height, width], [top, left]) = (layout.size, layout.border);
    for (plane, padded) in planes.chunks_exact(height * width).zip(padded.chunks_exact_mut(layout.plane_len())) {
        let (above, rest) = padded.split_at_mut(top * layout.row_len());
        let (rows, below) = rest.split_at_mut(height * layout.row_len());
        above.fill(0.);
        below.fill(0.);
        for (row, padded) in plane.chunks_exact(width).zip(rows.chunks_exact_mut(layout.row_len())) {
            padded[..left].fill(0.);
            padded[left..][..width].copy_from_slice(row);
            padded[left + width..].fill(0.);
        }
    }
}
}
