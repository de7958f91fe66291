use super::Shape;
use std::ops::Range;

/// The pixels of a plane sorted by the remainders of their row and column by the stride: within a class every step of
/// the kernel is one pixel.
pub struct Phases {
    size: [usize; 2],
    stride: [usize; 2],
    /// By row, then by column.
    pub classes: Vec<Class>,
}

/// Pixels that leave the same remainders.
#[derive(Debug, Clone, Copy)]
pub struct Class {
    /// The remainders.
    pub first: [usize; 2],
    /// How many rows and columns.
    pub count: [usize; 2],
    /// Where they start among the sorted pixels.
    start: usize,
}

impl Class {
    pub fn pixels(&self) -> Range<usize> {
        self.start..self.start + self.count[0] * self.count[1]
    }

    fn row(&self, row: usize) -> Range<usize> {
        let start = self.start + row * self.count[1];
        start..start + self.count[1]
    }
}

impl Phases {
    pub fn new(s: &Shape) -> Self {
        let (size, stride) = (s.input, s.window.stride);
        let (mut classes, mut start) = (Vec::new(), 0);
        for y in 0..stride[0].min(size[0]) {
            for x in 0..stride[1].min(size[1]) {
                let count = [(size[0] - y).div_ceil(stride[0]), (size[1] - x).div_ceil(stride[1])];
                classes.push(Class { first: [y, x], count, start });
                start += count[0] * count[1];
            }
        }
        Self { size, stride, classes }
    }

    /// The classes of each remainder of the rows.
    fn by_row(&self) -> impl Iterator<Item = &[Class]> {
        self.classes.chunks(self.stride[1].min(self.size[1]))
    }

    /// The pixels sorted: those of the plane, if there is but one class, or in `sorted`.
    #[inline(always)]
    pub fn sorted<'a>(&self, plane: &'a [f32], sorted: &'a mut [f32]) -> &'a [f32] {
        if self.classes.len() == 1 {
            return plane;
        }
        self.split(plane, sorted);
        sorted
    }

    #[inline(always)]
    fn split(&self, plane: &[f32], sorted: &mut [f32]) {
        for (first, classes) in self.by_row().enumerate() {
            let rows = plane.chunks_exact(self.size[1]).skip(first).step_by(self.stride[0]);
            for (i, row) in rows.enumerate() {
                if let [even, odd] = classes {
                    let (before, after) = sorted.split_at_mut(odd.row(i).start);
                    unzip(row, &mut before[even.row(i)], &mut after[..odd.count[1]]);
                    continue;
                }
                for class in classes {
                    let values = row[class.first[1]..].iter().step_by(self.stride[1]);
                    sorted[class.row(i)].iter_mut().zip(values).for_each(|(sorted, value)| *sorted = *value);
                }
            }
        }
    }

    /// The way back: `fill` gets the number and the pixels of each class. `sorted` is scratch.
    #[inline(always)]
    pub fn joined(&self, plane: &mut [f32], sorted: &mut [f32], mut fill: impl FnMut(usize, &mut [f32])) {
        if self.classes.len() == 1 {
            return fill(0, plane);
        }
        for (i, class) in self.classes.iter().enumerate() {
            fill(i, &mut sorted[class.pixels()]);
        }
        self.join(sorted, plane);
    }

    #[inline(always)]
    fn join(&self, sorted: &[f32], plane: &mut [f32]) {
        for (first, classes) in self.by_row().enumerate() {
            let rows = plane.chunks_exact_mut(self.size[1]).skip(first).step_by(self.stride[0]);
            for (i, row) in rows.enumerate() {
                if let [even, odd] = classes {
                    zip(&sorted[even.row(i)], &sorted[odd.row(i)], row);
                    continue;
                }
                for class in classes {
                    let values = row[class.first[1]..].iter_mut().step_by(self.stride[1]);
                    values.zip(&sorted[class.row(i)]).for_each(|(value, sorted)| *value = *sorted);
                }
            }
        }
    }
}

/// Values that [`unzip`] and [`zip`] do at a time, so that rows too short for a vectorised loop still get vectors.
const HALF: usize = 8;

#[inline(always)]
fn unzip(row: &[f32], even: &mut [f32], odd: &mut [f32]) {
    let blocks = row.as_chunks::<{ 2 * HALF }>().0;
    for ((block, even), odd) in blocks.iter().zip(even.as_chunks_mut::<HALF>().0).zip(odd.as_chunks_mut::<HALF>().0) {
        for i in 0..HALF {
            even[i] = block[2 * i];
            odd[i] = block[2 * i + 1];
        }
    }
    for i in blocks.len() * HALF..even.len() {
        even[i] = row[2 * i];
    }
    for i in blocks.len() * HALF..odd.len() {
        odd[i] = row[2 * i + 1];
    }
}

#[inline(always)]
fn zip(even: &[f32], odd: &[f32], row: &mut [f32]) {
    let blocks = row.as_chunks_mut::<{ 2 * HALF }>().0;
    let done = blocks.len() * HALF;
    for ((block, even), odd) in blocks.iter_mut().zip(even.as_chunks::<HALF>().0).zip(odd.as_chunks::<HALF>().0) {
        for i in 0..HALF {
            block[2 * i] = even[i];
            block[2 * i + 1] = odd[i];
        }
    }
    for i in done..even.len() {
        row[2 * i] = even[i];
    }
    for i in done..odd.len() {
        row[2 * i + 1] = odd[i];
    }
}
