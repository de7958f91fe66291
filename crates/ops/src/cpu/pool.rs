//! Max and average pooling over rectangular regions of (N, C, H, W), in parallel over planes. Local, adaptive and global pooling differ
//! only in the ranges of rows and columns that each output position covers.

use std::ops::Range;

use super::{isa::vectorised, parallel, reduce};

/// The regions of an input plane that the output positions cover.
#[derive(Debug, Clone)]
pub struct Regions {
    /// Height and width of the input plane.
    pub size: [usize; 2],
    /// The input rows that each output row covers.
    pub rows: Vec<Range<usize>>,
    /// The input columns that each output column covers.
    pub columns: Vec<Range<usize>>,
}

impl Regions {
    /// Creates a single region, the whole plane.
    pub fn whole(size: [usize; 2]) -> Self {
        let [rows, columns] = size.map(|n| std::iter::once(0..n).collect());
        Self { size, rows, columns }
    }

    /// Returns the number of values of an input plane.
    pub fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Returns the number of values of an output plane.
    pub fn output(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Returns whether the regions are the windows of a 2×2 pooling with stride 2, which has its own vectorised loops.
    fn is_two_by_two(&self) -> bool {
        let halves = |ranges: &[Range<usize>]| ranges.iter().enumerate().all(|(i, r)| *r == (2 * i..2 * i + 2));
        halves(&self.rows) && halves(&self.columns)
    }

    /// Calls `visit` with the output index, rows and columns of each region.
    fn for_each(&self, mut visit: impl FnMut(usize, Range<usize>, Range<usize>)) {
        for (y, rows) in self.rows.iter().enumerate() {
            for (x, columns) in self.columns.iter().enumerate() {
                visit(y * self.columns.len() + x, rows.clone(), columns.clone());
            }
        }
    }
}

/// The number of planes per parallel task.
const PLANES_PER_TASK: usize = 16;

/// Computes the maximum of each region of each plane. NaN wins, as in PyTorch.
pub fn max_forward(r: &Regions, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0f32; x.len() / r.plane() * r.output()];
    max_into(r, x, &mut y, PLANES_PER_TASK);
    y
}

/// Computes [`max_forward`] into a given buffer, with `planes` planes per parallel task.
pub fn max_into(r: &Regions, x: &[f32], y: &mut [f32], planes: usize) {
    let (plane, output) = (r.plane(), r.output());
    let two_by_two = r.is_two_by_two();
    parallel::chunks(y, planes * output, x.len(), |i, y| {
        let x = &x[i * planes * plane..];
        for (y, x) in y.chunks_exact_mut(output).zip(x.chunks_exact(plane)) {
            if two_by_two {
                two_by_two_forward(r, x, y);
            } else {
                r.for_each(|o, rows, columns| y[o] = x[argmax(x, r.size[1], rows, columns)]);
            }
        }
    });
}

vectorised! {
/// Computes [`max_forward`] for one plane and a 2×2 pooling with stride 2.
fn two_by_two_forward<'a>(r: &'a Regions, x: &'a [f32], y: &'a mut [f32]) {
    for (row, y) in y.chunks_exact_mut(r.columns.len()).enumerate() {
        let (top, bottom) = x[2 * row * r.size[1]..][..2 * r.size[1]].split_at(r.size[1]);
        for ((y, top), bottom) in y.iter_mut().zip(top.chunks_exact(2)).zip(bottom.chunks_exact(2)) {
            *y = greater(greater(top[0], top[1]), greater(bottom[0], bottom[1]));
        }
    }
}
}

/// Returns the greater of two values; NaN wins.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// Returns the index of the maximum of a region in its plane: the first in row-major order, but the last NaN if there
/// is one, as in PyTorch.
#[inline(always)]
fn argmax(x: &[f32], width: usize, rows: Range<usize>, columns: Range<usize>) -> usize {
    let mut best = rows.start * width + columns.start;
    for row in rows {
        for i in row * width + columns.start..row * width + columns.end {
            if x[i] > x[best] || x[i].is_nan() {
                best = i;
            }
        }
    }
    best
}

/// Computes the gradient of max pooling: each region's goes to its maximum, the first of equal ones.
pub fn max_backward(r: &Regions, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (plane, output) = (r.plane(), r.output());
    let two_by_two = r.is_two_by_two();
    parallel::filled(x.len(), PLANES_PER_TASK * plane, x.len(), |i, dx| {
        let dx = dx.zeroed();
        let (x, dy) = (&x[i * PLANES_PER_TASK * plane..], &dy[i * PLANES_PER_TASK * output..]);
        for ((dx, x), dy) in dx.chunks_exact_mut(plane).zip(x.chunks_exact(plane)).zip(dy.chunks_exact(output)) {
            if two_by_two {
                two_by_two_backward(r, x, dy, dx);
            } else {
                r.for_each(|o, rows, columns| dx[argmax(x, r.size[1], rows, columns)] += dy[o]);
            }
        }
    })
}

vectorised! {
/// Computes [`max_backward`] for one plane and a 2×2 pooling with stride 2, without branches.
fn two_by_two_backward<'a>(r: &'a Regions, x: &'a [f32], dy: &'a [f32], dx: &'a mut [f32]) {
    let width = r.size[1];
    let rows = x.chunks_exact(2 * width).zip(dx.chunks_exact_mut(2 * width));
    for ((x, dx), dy) in rows.zip(dy.chunks_exact(r.columns.len())) {
        let ((x_top, x_bottom), (dx_top, dx_bottom)) = (x.split_at(width), dx.split_at_mut(width));
        let pairs = x_top.chunks_exact(2).zip(x_bottom.chunks_exact(2));
        let targets = dx_top.chunks_exact_mut(2).zip(dx_bottom.chunks_exact_mut(2));
        for (((top, bottom), (dx_top, dx_bottom)), &dy) in pairs.zip(targets).zip(dy) {
            let (mut best, mut winner) = (top[0], 0);
            for (i, v) in [(1, top[1]), (2, bottom[0]), (3, bottom[1])] {
                let wins = (v > best) | v.is_nan();
                best = if wins { v } else { best };
                winner = if wins { i } else { winner };
            }
            let share = |i| if winner == i { dy } else { 0. };
            dx_top[0] = share(0);
            dx_top[1] = share(1);
            dx_bottom[0] = share(2);
            dx_bottom[1] = share(3);
        }
    }
}
}

/// Computes the sum of each region of each plane, divided by `divisor`. The divisor is given because PyTorch counts the
/// padding of a window, which the regions leave out.
pub fn avg_forward(r: &Regions, x: &[f32], divisor: usize) -> Vec<f32> {
    let mut y = vec![0f32; x.len() / r.plane() * r.output()];
    avg_into(r, x, divisor, &mut y, PLANES_PER_TASK);
    y
}

/// Computes [`avg_forward`] into a given buffer, with `planes` planes per parallel task.
pub fn avg_into(r: &Regions, x: &[f32], divisor: usize, y: &mut [f32], planes: usize) {
    let (plane, output, scale) = (r.plane(), r.output(), 1. / divisor as f32);
    parallel::chunks(y, planes * output, x.len(), |i, y| {
        let x = &x[i * planes * plane..];
        for (y, x) in y.chunks_exact_mut(output).zip(x.chunks_exact(plane)) {
            r.for_each(|o, rows, columns| {
                y[o] = rows.map(|row| sum_of_row(&x[row * r.size[1]..][columns.clone()])).sum::<f32>() * scale;
            });
        }
    });
}

/// Returns the sum of the values; short rows are not worth the lanes of [`reduce`].
#[inline(always)]
fn sum_of_row(x: &[f32]) -> f32 {
    if x.len() < reduce::LANES { x.iter().sum() } else { reduce::sum(x, |v| v) }
}

/// Computes the gradient of average pooling: each position of a region gets the same share of the region's.
pub fn avg_backward(r: &Regions, dy: &[f32], divisor: usize) -> Vec<f32> {
    let (plane, output, scale) = (r.plane(), r.output(), 1. / divisor as f32);
    let len = dy.len() / output * plane;
    parallel::filled(len, PLANES_PER_TASK * plane, len, |i, dx| {
        let dy = &dy[i * PLANES_PER_TASK * output..];
        for (dx, dy) in dx.zeroed().chunks_exact_mut(plane).zip(dy.chunks_exact(output)) {
            r.for_each(|o, rows, columns| {
                for row in rows {
                    dx[row * r.size[1]..][columns.clone()].iter_mut().for_each(|dx| *dx += dy[o] * scale);
                }
            });
        }
    })
}
