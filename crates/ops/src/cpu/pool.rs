//! Pooling over any rectangles, parallel over planes: local, adaptive and global pooling differ only in the ranges of
//! rows and columns that each output position looks at.

use super::isa::vectorised;
use super::{parallel, reduce};
use std::ops::Range;

/// What each output row and each output column looks at, in an input plane of `size` (height, width).
#[derive(Debug, Clone)]
pub struct Regions {
    pub size: [usize; 2],
    pub rows: Vec<Range<usize>>,
    pub columns: Vec<Range<usize>>,
}

impl Regions {
    /// One region that is the whole plane.
    pub fn whole(size: [usize; 2]) -> Self {
        let [rows, columns] = size.map(|n| std::iter::once(0..n).collect());
        Self { size, rows, columns }
    }

    /// Values of an input plane.
    pub fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    pub fn output(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Whether every region is 2×2, side by side: the usual pooling, which has loops of its own.
    fn is_two_by_two(&self) -> bool {
        let halves = |ranges: &[Range<usize>]| ranges.iter().enumerate().all(|(i, r)| *r == (2 * i..2 * i + 2));
        halves(&self.rows) && halves(&self.columns)
    }

    fn each(&self, mut visit: impl FnMut(usize, Range<usize>, Range<usize>)) {
        for (y, rows) in self.rows.iter().enumerate() {
            for (x, columns) in self.columns.iter().enumerate() {
                visit(y * self.columns.len() + x, rows.clone(), columns.clone());
            }
        }
    }
}

/// How many planes are handed to a thread at once.
const PLANES: usize = 16;

/// The maximum of each region of each plane; NaN wins, as in PyTorch.
pub fn max_forward(r: &Regions, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0f32; x.len() / r.plane() * r.output()];
    max_into(r, x, &mut y, PLANES);
    y
}

/// [`max_forward`] into a given result, so many planes at once.
pub fn max_into(r: &Regions, x: &[f32], y: &mut [f32], planes: usize) {
    let (plane, output) = (r.plane(), r.output());
    let two_by_two = r.is_two_by_two();
    parallel::chunks(y, planes * output, x.len(), |i, y| {
        let x = &x[i * planes * plane..];
        for (y, x) in y.chunks_exact_mut(output).zip(x.chunks_exact(plane)) {
            if two_by_two {
                two_by_two_forward(r, x, y);
            } else {
                r.each(|o, rows, columns| y[o] = x[first_maximum(x, r.size[1], rows, columns)]);
            }
        }
    });
}

vectorised! {
/// [`max_forward`] of one plane for 2×2 windows side by side.
fn two_by_two_forward<'a>(r: &'a Regions, x: &'a [f32], y: &'a mut [f32]) {
    for (row, y) in y.chunks_exact_mut(r.columns.len()).enumerate() {
        let (top, bottom) = x[2 * row * r.size[1]..][..2 * r.size[1]].split_at(r.size[1]);
        for ((y, top), bottom) in y.iter_mut().zip(top.chunks_exact(2)).zip(bottom.chunks_exact(2)) {
            *y = greater(greater(top[0], top[1]), greater(bottom[0], bottom[1]));
        }
    }
}
}

#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// Where the maximum of a region lies: the first in row-major order (the last NaN if there is one, as in PyTorch).
#[inline(always)]
fn first_maximum(x: &[f32], width: usize, rows: Range<usize>, columns: Range<usize>) -> usize {
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

/// The whole gradient of each region goes to its first maximum.
pub fn max_backward(r: &Regions, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (plane, output) = (r.plane(), r.output());
    let two_by_two = r.is_two_by_two();
    parallel::filled(x.len(), PLANES * plane, x.len(), |i, dx| {
        let dx = dx.take_all();
        let (x, dy) = (&x[i * PLANES * plane..], &dy[i * PLANES * output..]);
        for ((dx, x), dy) in dx.chunks_exact_mut(plane).zip(x.chunks_exact(plane)).zip(dy.chunks_exact(output)) {
            if two_by_two {
                two_by_two_backward(r, x, dy, dx);
            } else {
                r.each(|o, rows, columns| dx[first_maximum(x, r.size[1], rows, columns)] += dy[o]);
            }
        }
    })
}

vectorised! {
/// [`max_backward`] of one plane for 2×2 windows side by side, without branches.
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

/// The sum of each region of each plane, divided by `divisor` (which counts padding where a window has some).
pub fn avg_forward(r: &Regions, x: &[f32], divisor: usize) -> Vec<f32> {
    let mut y = vec![0f32; x.len() / r.plane() * r.output()];
    avg_into(r, x, divisor, &mut y, PLANES);
    y
}

/// [`avg_forward`] into a given result, so many planes at once.
pub fn avg_into(r: &Regions, x: &[f32], divisor: usize, y: &mut [f32], planes: usize) {
    let (plane, output, scale) = (r.plane(), r.output(), 1. / divisor as f32);
    parallel::chunks(y, planes * output, x.len(), |i, y| {
        let x = &x[i * planes * plane..];
        for (y, x) in y.chunks_exact_mut(output).zip(x.chunks_exact(plane)) {
            r.each(|o, rows, columns| {
                y[o] = rows.map(|row| sum_of_row(&x[row * r.size[1]..][columns.clone()])).sum::<f32>() * scale;
            });
        }
    });
}

#[inline(always)]
fn sum_of_row(x: &[f32]) -> f32 {
    if x.len() < reduce::LANES { x.iter().sum() } else { reduce::sum(x, |v| v) }
}

/// Every position of a region gets the same share of its gradient.
pub fn avg_backward(r: &Regions, dy: &[f32], divisor: usize) -> Vec<f32> {
    let (plane, output, scale) = (r.plane(), r.output(), 1. / divisor as f32);
    let len = dy.len() / output * plane;
    parallel::filled(len, PLANES * plane, len, |i, dx| {
        let dy = &dy[i * PLANES * output..];
        for (dx, dy) in dx.take_all().chunks_exact_mut(plane).zip(dy.chunks_exact(output)) {
            r.each(|o, rows, columns| {
                for row in rows {
                    dx[row * r.size[1]..][columns.clone()].iter_mut().for_each(|dx| *dx += dy[o] * scale);
                }
            });
        }
    })
}
