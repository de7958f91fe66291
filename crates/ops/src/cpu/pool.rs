//! Rectangular regions of the planes of (N, C, H, W), which pooling reduces to one value each, and average pooling over
//! them, in parallel over planes. Local, adaptive and global pooling differ only in the ranges of rows and columns that
//! each output position covers.

use std::ops::Range;

use super::{parallel, reduce};

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
    pub fn is_two_by_two(&self) -> bool {
        let halves = |ranges: &[Range<usize>]| ranges.iter().enumerate().all(|(i, r)| *r == (2 * i..2 * i + 2));
        halves(&self.rows) && halves(&self.columns)
    }

    /// Returns the output index, rows and columns of each region. An iterator, because what a closure computes may be
    /// compiled without vector instructions.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Range<usize>, Range<usize>)> + '_ {
        let rows = self.rows.iter().flat_map(|rows| self.columns.iter().map(move |columns| (rows, columns)));
        rows.enumerate().map(|(output, (rows, columns))| (output, rows.clone(), columns.clone()))
    }
}

/// Computes the sum of each region of each plane, divided by `divisor`, with `planes` planes per parallel task. The
/// divisor is given because PyTorch counts the padding of a window, which the regions leave out.
pub fn avg_forward(r: &Regions, x: &[f32], divisor: usize, planes: usize) -> Vec<f32> {
    let mut y = vec![0f32; x.len() / r.plane() * r.output()];
    avg_into(r, x, divisor, &mut y, planes);
    y
}

/// Computes [`avg_forward`] into a given buffer.
pub fn avg_into(r: &Regions, x: &[f32], divisor: usize, y: &mut [f32], planes: usize) {
    let (plane, output, scale) = (r.plane(), r.output(), 1. / divisor as f32);
    parallel::chunks(y, planes * output, x.len(), |i, y| {
        let x = &x[i * planes * plane..];
        for (y, x) in y.chunks_exact_mut(output).zip(x.chunks_exact(plane)) {
            for (o, rows, columns) in r.iter() {
                y[o] = rows.map(|row| sum_of_row(&x[row * r.size[1]..][columns.clone()])).sum::<f32>() * scale;
            }
        }
    });
}

/// Returns the sum of the values; short rows are not worth the lanes of [`reduce`].
#[inline(always)]
fn sum_of_row(x: &[f32]) -> f32 {
    if x.len() < reduce::LANES { x.iter().sum() } else { reduce::sum(x, |v| v) }
}

/// Computes the gradient of average pooling: each position of a region gets the same share of the region's.
pub fn avg_backward(r: &Regions, dy: &[f32], divisor: usize, planes: usize) -> Vec<f32> {
    let (plane, output, scale) = (r.plane(), r.output(), 1. / divisor as f32);
    let len = dy.len() / output * plane;
    parallel::filled(len, planes * plane, len, |i, dx| {
        let dy = &dy[i * planes * output..];
        for (dx, dy) in dx.zeroed().chunks_exact_mut(plane).zip(dy.chunks_exact(output)) {
            for (o, rows, columns) in r.iter() {
                for row in rows {
                    dx[row * r.size[1]..][columns.clone()].iter_mut().for_each(|dx| *dx += dy[o] * scale);
                }
            }
        }
    })
}
