//! Max pooling over regions of the planes of (N, C, H, W), in parallel over planes. NaN wins, as in PyTorch, and the
//! gradient of a region goes to its maximum, the first of equal ones.
//!
//! There are three kernels: for 2×2 windows one that reads pairs of rows; for other regions of small planes one that lays
//! [`BLOCK_WIDTH`] planes side by side ([`plane_lanes`](super::plane_lanes)), so that each comparison fills a vector
//! however small the regions are; and a scalar one for large planes. The backward pass finds the maxima again: that costs
//! no more than storing and loading positions.

use std::ops::Range;

use pulp::Simd;

use super::{
    isa::vectorised,
    parallel,
    plane_lanes::PlaneLanes,
    pool::Regions,
    scratch,
    simd::{BLOCK_WIDTH, CacheAligned, Kernel, Row, dispatch, vectors, vectors_mut},
};

/// Max pooling over one or more sets of regions of the same planes, such as the levels of a pyramid.
///
/// The methods are given a number of planes, which make up a parallel task. The results of their first level come before
/// those of the next. With several levels it is therefore the number of channels of an image.
#[derive(Debug, Clone)]
pub struct MaxPool {
    levels: Vec<Regions>,
}

impl MaxPool {
    /// Takes the regions of each level, at least one, for planes of the same size.
    pub fn new(levels: Vec<Regions>) -> Self {
        assert!(levels.iter().all(|level| level.size == levels[0].size));
        Self { levels }
    }

    /// Returns the number of values of an input plane.
    pub fn plane(&self) -> usize {
        self.levels[0].plane()
    }

    /// Returns the number of results of a plane.
    pub fn output(&self) -> usize {
        self.levels.iter().map(Regions::output).sum()
    }

    /// Returns about the number of operations for these planes.
    fn flops(&self, x: &[f32]) -> usize {
        x.len().saturating_mul(self.levels.len())
    }

    /// Returns each level with its part of the results of a task.
    fn parts(&self, planes: usize) -> impl Iterator<Item = (&Regions, Range<usize>)> {
        self.levels.iter().scan(0, move |start, level| {
            let results = *start..*start + planes * level.output();
            *start = results.end;
            Some((level, results))
        })
    }

    /// Computes the maxima.
    pub fn forward(&self, x: &[f32], planes: usize) -> Vec<f32> {
        let mut y = vec![0f32; x.len() / self.plane() * self.output()];
        self.forward_into(x, &mut y, planes);
        y
    }

    /// Computes [`forward`](Self::forward) into a given buffer.
    pub fn forward_into(&self, x: &[f32], y: &mut [f32], planes: usize) {
        parallel::chunks(y, planes * self.output(), self.flops(x), |i, y| {
            let count = y.len() / self.output();
            self.forward_task(&x[i * planes * self.plane()..][..count * self.plane()], y);
        });
    }

    /// Computes the gradient of the input from that of the result.
    pub fn backward(&self, x: &[f32], dy: &[f32], planes: usize) -> Vec<f32> {
        parallel::filled(x.len(), planes * self.plane(), self.flops(x), |i, dx| {
            let dx = dx.zeroed();
            let (first, count) = (i * planes, dx.len() / self.plane());
            let (x, dy) = (&x[first * self.plane()..][..dx.len()], &dy[first * self.output()..]);
            self.add_gradient_of_task(x, &dy[..count * self.output()], dx);
        })
    }

    /// Computes the maxima of the planes of a task.
    pub fn forward_task(&self, x: &[f32], y: &mut [f32]) {
        let (plane, output) = (self.plane(), self.output());
        match self.kernel() {
            PlaneKernel::SideBySide(lanes) => scratch::with([lanes.len(), BLOCK_WIDTH * output], |[rows, maxima]| {
                dispatch(SideBySide { pool: self, lanes, x, rows, maxima, y });
            }),
            PlaneKernel::TwoByTwo => {
                let planes = y.chunks_exact_mut(output).zip(x.chunks_exact(plane));
                planes.for_each(|(y, x)| two_by_two_forward(&self.levels[0], x, y));
            }
            PlaneKernel::Scalar => {
                for (level, results) in self.parts(x.len() / plane) {
                    let planes = y[results].chunks_exact_mut(level.output()).zip(x.chunks_exact(plane));
                    for (y, x) in planes {
                        let regions = y.iter_mut().zip(level.iter());
                        regions.for_each(|(y, (_, rows, columns))| *y = x[argmax(x, level.size[1], rows, columns)]);
                    }
                }
            }
        }
    }

    /// Adds the gradient of the planes of a task to `dx`.
    pub fn add_gradient_of_task(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let (plane, output) = (self.plane(), self.output());
        match self.kernel() {
            PlaneKernel::SideBySide(lanes) => scratch::with([lanes.len()], |[rows]| {
                dispatch(SideBySideBackward { pool: self, lanes, x, rows, dy, dx });
            }),
            PlaneKernel::TwoByTwo => {
                let planes = dx.chunks_exact_mut(plane).zip(x.chunks_exact(plane)).zip(dy.chunks_exact(output));
                planes.for_each(|((dx, x), dy)| two_by_two_backward(&self.levels[0], x, dy, dx));
            }
            PlaneKernel::Scalar => {
                for (level, results) in self.parts(x.len() / plane) {
                    let planes = dx.chunks_exact_mut(plane).zip(x.chunks_exact(plane));
                    for ((dx, x), dy) in planes.zip(dy[results].chunks_exact(level.output())) {
                        let regions = dy.iter().zip(level.iter());
                        regions.for_each(|(dy, (_, rows, columns))| dx[argmax(x, level.size[1], rows, columns)] += dy);
                    }
                }
            }
        }
    }

    /// Chooses the kernel.
    fn kernel(&self) -> PlaneKernel {
        let lanes = PlaneLanes::new(self.plane());
        let small_outputs = self.levels.iter().all(|level| PlaneLanes::new(level.output()).is_side_by_side());
        match &self.levels[..] {
            [level] if level.is_two_by_two() => PlaneKernel::TwoByTwo,
            _ if lanes.is_side_by_side() && small_outputs => PlaneKernel::SideBySide(lanes),
            _ => PlaneKernel::Scalar,
        }
    }
}

enum PlaneKernel {
    TwoByTwo,
    SideBySide(PlaneLanes),
    Scalar,
}

/// Pools the planes of a task side by side.
struct SideBySide<'a> {
    pool: &'a MaxPool,
    lanes: PlaneLanes,
    x: &'a [f32],
    /// Scratch for a block of planes.
    rows: &'a mut [f32],
    /// Scratch for the maxima of a block of planes, a row of [`BLOCK_WIDTH`] for each region of a level.
    maxima: &'a mut [f32],
    y: &'a mut [f32],
}

impl Kernel for SideBySide<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { pool, lanes, x, rows, maxima, y } = self;
        let plane = pool.plane();
        let count = x.len() / plane;
        for first in (0..count).step_by(BLOCK_WIDTH) {
            let planes = first..count.min(first + BLOCK_WIDTH);
            lanes.lay(&x[planes.start * plane..planes.end * plane], rows);
            for (level, results) in pool.parts(count) {
                let (output, maxima) = (level.output(), &mut maxima[..level.output() * BLOCK_WIDTH]);
                for (o, lines, columns) in level.iter() {
                    let (max, _) = max_and_index::<S, V>(simd, rows, level.size[1], lines, columns);
                    vectors_mut::<S, V>(maxima)[o] = max;
                }
                let y = &mut y[results][planes.start * output..planes.end * output];
                PlaneLanes::new(output).gather(maxima, y);
            }
        }
    }
}

/// Adds the gradient of the planes of a task, side by side.
struct SideBySideBackward<'a> {
    pool: &'a MaxPool,
    lanes: PlaneLanes,
    x: &'a [f32],
    /// Scratch for a block of planes.
    rows: &'a mut [f32],
    dy: &'a [f32],
    /// Added to.
    dx: &'a mut [f32],
}

impl Kernel for SideBySideBackward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { pool, lanes, x, rows, dy, dx } = self;
        let plane = pool.plane();
        let count = x.len() / plane;
        for first in (0..count).step_by(BLOCK_WIDTH) {
            let planes = first..count.min(first + BLOCK_WIDTH);
            let dx = &mut dx[planes.start * plane..planes.end * plane];
            lanes.lay(&x[planes.start * plane..planes.end * plane], rows);
            for (level, results) in pool.parts(count) {
                let dy = &dy[results][planes.start * level.output()..planes.end * level.output()];
                for (o, lines, columns) in level.iter() {
                    let (_, index) = max_and_index::<S, V>(simd, rows, level.size[1], lines, columns);
                    let mut bits = CacheAligned([0f32; BLOCK_WIDTH]);
                    for (bits, index) in vectors_mut::<S, V>(&mut bits.0)[0].iter_mut().zip(index) {
                        *bits = simd.transmute_f32s_u32s(index);
                    }
                    let gradients = dx.chunks_exact_mut(plane).zip(dy.chunks_exact(level.output()));
                    for ((dx, dy), index) in gradients.zip(bits.0) {
                        dx[index.to_bits() as usize] += dy[o];
                    }
                }
            }
        }
    }
}

/// Returns the maximum of a region of each plane, and its index in the plane, by the rules of [`argmax`].
#[inline(always)]
fn max_and_index<S: Simd, const V: usize>(
    simd: S,
    rows: &[f32],
    width: usize,
    lines: Range<usize>,
    columns: Range<usize>,
) -> (Row<S, V>, [S::u32s; V]) {
    let rows = vectors::<S, V>(rows);
    let first = lines.start * width + columns.start;
    let (mut max, mut index) = (rows[first], [simd.splat_u32s(first as u32); V]);
    for line in lines {
        let start = line * width;
        for (i, row) in (start + columns.start..).zip(&rows[start + columns.start..start + columns.end]) {
            for v in 0..V {
                let is_nan = simd.not_m32s(simd.equal_f32s(row[v], row[v]));
                let wins = simd.or_m32s(simd.greater_than_f32s(row[v], max[v]), is_nan);
                max[v] = simd.select_f32s(wins, row[v], max[v]);
                index[v] = simd.select_u32s(wins, simd.splat_u32s(i as u32), index[v]);
            }
        }
    }
    (max, index)
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

vectorised! {
/// Pools one plane with 2×2 windows of stride 2.
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

vectorised! {
/// Adds the gradient of [`two_by_two_forward`], without branches.
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
            dx_top[0] += share(0);
            dx_top[1] += share(1);
            dx_bottom[0] += share(2);
            dx_bottom[1] += share(3);
        }
    }
}
}
