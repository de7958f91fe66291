//! Where everything lies.

use super::super::tile::WIDTH;
use super::rows::{Tap, Taps};
use super::{interleave, surrounded};
use crate::Window;
use std::ops::Range;

/// The pixels of a plane sorted into classes, by the remainders of their row and column by the stride, and each class,
/// like the output, laid on a grid of the same size: so every tap of the kernel finds what it meets at one distance from
/// the output on the grid, whatever the stride.
pub struct Grid {
    pub size: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    stride: [usize; 2],
    /// By row, then by column.
    pub classes: Vec<Class>,
    /// What the outputs meet of the classes, lying one after the other.
    pub seen: Taps,
    /// The outputs themselves, as if a tap met them.
    pub outputs: Taps,
    /// For each distance over the grid which places have something there: all ones or all zeros.
    pub masks: Vec<f32>,
    /// What a tap may read before and behind the planes.
    pub margin: usize,
}

/// Pixels that leave the same remainders.
pub struct Class {
    /// The remainders.
    first: [usize; 2],
    /// How many rows and columns.
    count: [usize; 2],
    /// What has met these pixels.
    pub met_by: Taps,
}

impl Grid {
    pub fn new(window: &Window, input: [usize; 2], output: [usize; 2]) -> Self {
        let Window { kernel, stride, padding } = *window;
        let counts = [0, 1].map(|axis| input[axis].div_ceil(stride[axis]));
        let size = [0, 1].map(|axis| output[axis].max(counts[axis]));
        // No output is further from a pixel than this.
        let reach = [0, 1].map(|axis| kernel[axis].max(padding[axis]).div_ceil(stride[axis]));
        let margin = reach[0] * size[1] + reach[1] + WIDTH;
        let mut grid = Self {
            size,
            input,
            output,
            stride,
            classes: Vec::new(),
            seen: Taps::new(Vec::new()),
            outputs: Taps::new(Vec::new()),
            masks: Vec::new(),
            margin,
        };
        let outputs = grid.tap(0, 0, [0, 0], output, output);
        grid.outputs = Taps::new(vec![outputs]);
        let mut seen = Vec::new();
        for y in 0..stride[0].min(input[0]) {
            for x in 0..stride[1].min(input[1]) {
                let (first, plane) = ([y, x], grid.classes.len() * grid.plane());
                let count = [0, 1].map(|axis| (input[axis] - first[axis]).div_ceil(stride[axis]));
                let mut met_by = Vec::new();
                for tap in 0..kernel[0] * kernel[1] {
                    let k = [tap / kernel[1], tap % kernel[1]];
                    // Output `o` meets pixel `o·stride + k − padding`, which is `i·stride + first` for one class.
                    let distance = [0, 1].map(|axis| k[axis] as isize - (padding[axis] + first[axis]) as isize);
                    if [0, 1].iter().any(|&axis| distance[axis] % stride[axis] as isize != 0) {
                        continue;
                    }
                    let there = [0, 1].map(|axis| distance[axis] / stride[axis] as isize);
                    let back = there.map(|distance| -distance);
                    seen.push(grid.tap(tap, plane, there, count, output));
                    met_by.push(grid.tap(tap, 0, back, output, count));
                }
                grid.classes.push(Class { first, count, met_by: Taps::new(met_by) });
            }
        }
        grid.seen = Taps::new(seen);
        grid
    }

    /// Places of the grid.
    pub fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Values of a plane of the output.
    pub fn output_len(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Values of a buffer for so many planes with margins.
    pub fn with_margins(&self, planes: usize) -> usize {
        planes * self.plane() + 2 * self.margin
    }

    /// Whether the pixels lie on the grid as they are.
    pub fn is_input(&self) -> bool {
        self.classes.len() == 1 && self.size == self.input
    }

    /// Whether outputs lie on the grid as they are.
    pub fn is_output(&self) -> bool {
        self.size == self.output
    }

    fn start(&self, [rows, columns]: [isize; 2]) -> usize {
        let distance = rows * self.size[1] as isize + columns;
        self.margin.checked_add_signed(distance).expect("no tap reaches further than the margin")
    }

    /// A tap whose values lie at this distance from the places within `to`, if they are within `from`; its mask is made if
    /// need be.
    fn tap(&mut self, tap: usize, plane: usize, distance: [isize; 2], from: [usize; 2], to: [usize; 2]) -> Tap {
        let is_there = |place: usize, axis: usize| {
            place.checked_add_signed(distance[axis]).is_some_and(|there| there < from[axis])
        };
        let within = |place: usize, axis: usize| place < to[axis] && is_there(place, axis);
        let len = self.plane().next_multiple_of(WIDTH);
        let mut mask = vec![0f32; len];
        let bits = |column| f32::from_bits(if within(column, 1) { u32::MAX } else { 0 });
        let columns: Vec<f32> = (0..self.size[1]).map(bits).collect();
        for (row, values) in mask.chunks_exact_mut(self.size[1]).enumerate() {
            if within(row, 0) {
                values.copy_from_slice(&columns);
            }
        }
        let same = |known: &[f32]| known.iter().zip(&mask).all(|(a, b)| a.to_bits() == b.to_bits());
        let known = self.masks.chunks_exact(len).position(same);
        let number = known.unwrap_or(self.masks.len() / len);
        if known.is_none() {
            self.masks.extend(mask);
        }
        let everywhere = [0, 1].iter().all(|&axis| (0..to[axis]).all(|place| is_there(place, axis)));
        Tap { tap, start: plane + self.start(distance), mask: number * len, everywhere }
    }

    /// Lays the output of a plane on the grid.
    #[inline(always)]
    pub fn spread(&self, plane: &[f32], places: &mut [f32]) {
        for (places, row) in places.chunks_exact_mut(self.size[1]).zip(plane.chunks_exact(self.output[1])) {
            places[..row.len()].copy_from_slice(row);
        }
    }

    /// The way back.
    #[inline(always)]
    pub fn gather(&self, places: &[f32], plane: &mut [f32]) {
        for (places, row) in places.chunks_exact(self.size[1]).zip(plane.chunks_exact_mut(self.output[1])) {
            row.copy_from_slice(&places[..row.len()]);
        }
    }

    /// Rows of the input with the classes of their pixels and where those lie on the grid, one row for each class.
    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = (usize, &[Class], usize)> {
        let across = self.stride[1].min(self.input[1]);
        self.classes.chunks(across).enumerate().flat_map(move |(first, classes)| {
            let start = first * across * self.plane();
            (0..classes[0].count[0]).map(move |i| (first + i * self.stride[0], classes, start + i * self.size[1]))
        })
    }

    /// The pixels of some channels of `x` on the grid, class after class, with margins: where they are or in `places`.
    #[inline(always)]
    pub fn pixels<'a>(&self, x: &'a [f32], channels: Range<usize>, places: &'a mut [f32]) -> &'a [f32] {
        let plane = self.input[0] * self.input[1];
        if self.is_input() {
            return surrounded(x, channels.start * plane, channels.len() * plane, self.margin, places);
        }
        let planes = x[channels.start * plane..channels.end * plane].chunks_exact(plane);
        for (plane, places) in planes.zip(places[self.margin..].chunks_mut(self.classes.len() * self.plane())) {
            self.split(plane, places);
        }
        places
    }

    #[inline(always)]
    fn split(&self, plane: &[f32], places: &mut [f32]) {
        for (y, classes, start) in self.rows() {
            let row = &plane[y * self.input[1]..][..self.input[1]];
            if let [even, odd] = classes {
                let (left, right) = places[start..].split_at_mut(self.plane());
                interleave::unzip(row, &mut left[..even.count[1]], &mut right[..odd.count[1]]);
                continue;
            }
            for (class, places) in classes.iter().zip(places[start..].chunks_mut(self.plane())) {
                let pixels = row[class.first[1]..].iter().step_by(self.stride[1]);
                places.iter_mut().zip(pixels).for_each(|(place, pixel)| *place = *pixel);
            }
        }
    }

    /// The way back.
    #[inline(always)]
    pub fn join(&self, places: &[f32], plane: &mut [f32]) {
        for (y, classes, start) in self.rows() {
            let row = &mut plane[y * self.input[1]..][..self.input[1]];
            if let [even, odd] = classes {
                let (left, right) = places[start..].split_at(self.plane());
                interleave::zip(&left[..even.count[1]], &right[..odd.count[1]], row);
                continue;
            }
            for (class, places) in classes.iter().zip(places[start..].chunks(self.plane())) {
                let pixels = row[class.first[1]..].iter_mut().step_by(self.stride[1]);
                pixels.zip(places).for_each(|(pixel, place)| *pixel = *place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Planes;
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
                let places = grid.plane().next_multiple_of(WIDTH);
                let values = vec![0.; grid.with_margins(grid.classes.len())];
                let planes = Planes { values: &values, masks: &grid.masks };
                assert!(grid.seen.fit(planes, places), "{window:?} on {input}");
                let outputs = Planes { values: &values[..grid.with_margins(1)], ..planes };
                assert!(grid.classes.iter().all(|class| class.met_by.fit(outputs, places)), "{window:?} on {input}");
            }
        }
    }
}
