//! The grid on which plane-wise convolutions run.
//!
//! With stride (sh, sw), the pixels of a plane are sorted into sh · sw *phases* by the remainders of row and column, as
//! by `torch.nn.functional.pixel_unshuffle`. Each phase, and the output, is laid on a grid of the same size. There
//! output `o` meets a pixel of a given tap at the same distance from `o` everywhere, so that loops over positions are
//! contiguous whatever the stride.

use super::{
    deinterleave::deinterleave,
    taps::{Tap, Taps},
};
use crate::{cpu::simd::BLOCK_WIDTH, window::Window};

/// The layout of the planes of a convolution, and where its taps read there.
pub struct Grid {
    /// Height and width of the grid: the maximum of the output's and the phases'.
    pub size: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    stride: [usize; 2],
    /// The phases, in row-major order of their remainders.
    pub phases: Vec<Phase>,
    /// For each output, where the taps read the input: in the phases, which lie one after the other.
    pub input_taps: Taps,
    /// Masks of the grid's size, all ones where a tap reads within the plane and all zeros elsewhere. Taps of the same
    /// mask share it.
    pub masks: Vec<f32>,
    /// The number of values that a tap may read before and after the planes.
    pub margin: usize,
}

/// The pixels whose row and column leave the same remainders when divided by the stride.
pub struct Phase {
    /// The remainders.
    first: [usize; 2],
    /// The number of rows and columns.
    count: [usize; 2],
}

impl Grid {
    /// Takes the sizes (height, width) of the input and the output.
    pub fn new(window: &Window, input: [usize; 2], output: [usize; 2]) -> Self {
        let Window { kernel, stride, padding } = *window;
        let counts = [0, 1].map(|axis| input[axis].div_ceil(stride[axis]));
        let size = [0, 1].map(|axis| output[axis].max(counts[axis]));
        // On the grid no output is further from a pixel that it meets.
        let reach = [0, 1].map(|axis| kernel[axis].max(padding[axis]).div_ceil(stride[axis]));
        let margin = reach[0] * size[1] + reach[1] + BLOCK_WIDTH;
        let mut grid = Self {
            size,
            input,
            output,
            stride,
            phases: Vec::new(),
            input_taps: Taps::new(Vec::new()),
            masks: Vec::new(),
            margin,
        };
        let mut input_taps = Vec::new();
        for y in 0..stride[0].min(input[0]) {
            for x in 0..stride[1].min(input[1]) {
                let (first, start) = ([y, x], grid.phases.len() * grid.positions());
                let count = [0, 1].map(|axis| (input[axis] - first[axis]).div_ceil(stride[axis]));
                for tap in 0..kernel[0] * kernel[1] {
                    let k = [tap / kernel[1], tap % kernel[1]];
                    // Output `o` meets pixel `o·stride + k − padding`, which is `i·stride + first` in one phase.
                    let distance = [0, 1].map(|axis| k[axis] as isize - (padding[axis] + first[axis]) as isize);
                    if [0, 1].iter().any(|&axis| distance[axis] % stride[axis] as isize != 0) {
                        continue;
                    }
                    let to_pixel = [0, 1].map(|axis| distance[axis] / stride[axis] as isize);
                    input_taps.push(grid.tap(tap, start, to_pixel, count, output));
                }
                grid.phases.push(Phase { first, count });
            }
        }
        grid.input_taps = Taps::new(input_taps);
        grid
    }

    /// Returns the largest number of values that the masks of a grid for these sizes can have.
    pub fn most_masks(window: &Window, input: [usize; 2], output: [usize; 2]) -> usize {
        let counts = [0, 1].map(|axis| output[axis].max(input[axis].div_ceil(window.stride[axis])) + BLOCK_WIDTH);
        let taps = window.kernel[0].saturating_mul(window.kernel[1]);
        counts.iter().fold(taps, |product, &count| product.saturating_mul(count))
    }

    /// Returns the number of positions of the grid.
    pub fn positions(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Returns the number of values of an output plane.
    pub fn output_len(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Returns the length of a buffer for this number of planes on the grid, with margins.
    pub fn len_with_margins(&self, planes: usize) -> usize {
        planes * self.positions() + 2 * self.margin
    }

    /// Returns whether an input plane is laid on the grid as it is.
    fn is_input(&self) -> bool {
        self.phases.len() == 1 && self.size == self.input
    }

    /// Returns whether an output plane is laid on the grid as it is.
    pub fn is_output(&self) -> bool {
        self.size == self.output
    }

    /// Returns where a tap at this distance reads for the first position.
    fn start(&self, [rows, columns]: [isize; 2]) -> usize {
        let distance = rows * self.size[1] as isize + columns;
        self.margin.checked_add_signed(distance).expect("no tap reaches further than the margin")
    }

    /// Returns a tap that, for positions within the size `to`, reads at this distance where that is within the size
    /// `from`, in a plane that starts at `plane`. Adds its mask if there is none like it.
    fn tap(&mut self, index: usize, plane: usize, distance: [isize; 2], from: [usize; 2], to: [usize; 2]) -> Tap {
        let reads_inside = |position: usize, axis: usize| {
            position.checked_add_signed(distance[axis]).is_some_and(|read| read < from[axis])
        };
        let matters = |position: usize, axis: usize| position < to[axis] && reads_inside(position, axis);
        let len = self.positions().next_multiple_of(BLOCK_WIDTH);
        let mut mask = vec![0f32; len];
        let bits = |column| f32::from_bits(if matters(column, 1) { u32::MAX } else { 0 });
        let columns: Vec<f32> = (0..self.size[1]).map(bits).collect();
        for (row, values) in mask.chunks_exact_mut(self.size[1]).enumerate() {
            if matters(row, 0) {
                values.copy_from_slice(&columns);
            }
        }
        let same = |known: &[f32]| known.iter().zip(&mask).all(|(a, b)| a.to_bits() == b.to_bits());
        let known = self.masks.chunks_exact(len).position(same);
        let number = known.unwrap_or(self.masks.len() / len);
        if known.is_none() {
            self.masks.extend(mask);
        }
        let always_inside = [0, 1].iter().all(|&axis| (0..to[axis]).all(|position| reads_inside(position, axis)));
        Tap { index, start: plane + self.start(distance), mask: number * len, always_inside }
    }

    /// Copies an output plane from the grid.
    #[inline(always)]
    pub fn gather_output(&self, grid: &[f32], plane: &mut [f32]) {
        for (grid, row) in grid.chunks_exact(self.size[1]).zip(plane.chunks_exact_mut(self.output[1])) {
            row.copy_from_slice(&grid[..row.len()]);
        }
    }

    /// Returns for each row of the input its index, the phases of its pixels, and where the first phase has its part of
    /// the row; the part of each next phase is one plane of the grid further.
    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = (usize, &[Phase], usize)> {
        let across = self.stride[1].min(self.input[1]);
        self.phases.chunks(across).enumerate().flat_map(move |(first, phases)| {
            let start = first * across * self.positions();
            (0..phases[0].count[0]).map(move |i| (first + i * self.stride[0], phases, start + i * self.size[1]))
        })
    }

    /// Lays an image `x` on the grid, plane after plane and phase after phase, with margins.
    #[inline(always)]
    pub fn lay_input(&self, x: &[f32], grid: &mut [f32]) {
        if self.is_input() {
            return grid[self.margin..][..x.len()].copy_from_slice(x);
        }
        let planes = x.chunks_exact(self.input[0] * self.input[1]);
        for (plane, grid) in planes.zip(grid[self.margin..].chunks_mut(self.phases.len() * self.positions())) {
            self.split_phases(plane, grid);
        }
    }

    /// Copies an input plane to the grid, phase after phase.
    #[inline(always)]
    fn split_phases(&self, plane: &[f32], grid: &mut [f32]) {
        for (y, phases, start) in self.rows() {
            let row = &plane[y * self.input[1]..][..self.input[1]];
            if let [even, odd] = phases {
                let (left, right) = grid[start..].split_at_mut(self.positions());
                deinterleave(row, &mut left[..even.count[1]], &mut right[..odd.count[1]]);
                continue;
            }
            for (phase, grid) in phases.iter().zip(grid[start..].chunks_mut(self.positions())) {
                let pixels = row[phase.first[1]..].iter().step_by(self.stride[1]);
                grid.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = *pixel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::taps::MaskedPlanes;
    use super::*;

    #[test]
    fn no_tap_reaches_further_than_the_margin() {
        let sizes = |count: usize, from: usize| {
            (0..count.pow(3)).map(move |i| [i, i / count, i / count / count].map(|i| i % count + from))
        };
        for [kernel, stride, input] in sizes(4, 1) {
            for padding in 0..6 {
                let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] };
                let Ok(output) = window.output_size([input, input]) else { continue };
                let grid = Grid::new(&window, [input, input], output);
                let positions = grid.positions().next_multiple_of(BLOCK_WIDTH);
                let values = vec![0.; grid.len_with_margins(grid.phases.len())];
                let planes = MaskedPlanes { values: &values, masks: &grid.masks };
                assert!(grid.input_taps.fit(planes, positions), "{window:?} on {input}");
            }
        }
    }
}
