//! Log-mean-exp (Pinheiro & Collobert 2015) and the generalised mean (Radenović et al. 2018) of whole planes.
//!
//! With the maximum m of a plane, the weights `wᵢ = exp(r(xᵢ − m)) / Σ exp(r(xⱼ − m))` and the number of positions P:
//!
//! | | log-mean-exp | generalised mean |
//! | --- | --- | --- |
//! | result | `y = m + ln(mean exp(r(xᵢ − m))) / r` | `exp y` of `ln max(xᵢ, ε)` with r = p |
//! | gradient of the input | `wᵢ · dy` | `wᵢ · y / xᵢ · dy`, 0 below ε |
//! | gradient of the parameter | `(Σ wᵢ(xᵢ − m) − (y − m)) / r · dy` | the same of the logarithms, times y |
//!
//! Each step is a loop over a block of planes in the cache, whose vectors are full whatever the size of a plane
//! ([`plane_lanes`](super::plane_lanes)). The exponentials and logarithms bound the speed
//! ([`transcendental`](super::transcendental)).

use super::{
    isa::vectorised,
    parallel,
    plane_lanes::{Lanes, PlaneLanes},
    scratch,
    simd::BLOCK_WIDTH,
    transcendental::{exp, ln},
};

/// The number of planes per parallel task.
const PLANES_PER_TASK: usize = 4 * BLOCK_WIDTH;

/// About the number of operations for each value.
const FLOPS_PER_VALUE: usize = 48;

/// The smallest feature that the generalised mean tells from others, ε.
const FLOOR: f32 = 1e-6;

/// Exponents from here on give 0.
const NO_WEIGHT: f32 = -200.;

/// The smallest parameter of a smooth maximum. Further down the result would differ from its limit, a mean, by less than
/// by rounding, because it is divided by the parameter.
pub const LEAST_SHARPNESS: f64 = 1e-3;

/// A pooling between average and maximum.
#[derive(Debug, Clone, Copy)]
pub struct SmoothMaximum {
    kind: Kind,
    /// How close the result is to the maximum, r or p.
    sharpness: f32,
}

/// The function that a [`SmoothMaximum`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `(1/r) ln mean exp(r·x)`
    LogMeanExp,
    /// `(mean max(x, ε)^p)^(1/p)`
    GeneralisedMean,
}

impl SmoothMaximum {
    /// Takes the parameter r or p, which counts as [`LEAST_SHARPNESS`] if it is smaller.
    pub fn new(kind: Kind, parameter: f32) -> Self {
        let least = LEAST_SHARPNESS as f32;
        // A comparison instead of a maximum keeps NaN.
        Self { kind, sharpness: if parameter < least { least } else { parameter } }
    }

    /// Pools the planes of `x`, each of `plane` values.
    pub fn forward(self, x: &[f32], plane: usize) -> Vec<f32> {
        let mut y = vec![0f32; x.len() / plane];
        self.forward_into(x, plane, &mut y, PLANES_PER_TASK);
        y
    }

    /// Computes [`forward`](Self::forward) into a given buffer, with `planes` planes per parallel task.
    pub fn forward_into(self, x: &[f32], plane: usize, y: &mut [f32], planes: usize) {
        let lanes = PlaneLanes::new(plane);
        parallel::chunks(y, planes, FLOPS_PER_VALUE.saturating_mul(x.len()), |i, y| {
            let x = &x[i * planes * plane..][..y.len() * plane];
            scratch::with([lanes.len()], |[rows]| {
                let blocks = x.chunks(lanes.planes() * plane).zip(y.chunks_mut(lanes.planes()));
                blocks.for_each(|(x, y)| forward_block(self, lanes, x, rows, y));
            });
        });
    }

    /// Returns the gradients of the input and of the parameter, from the gradient `dy` of the result.
    pub fn backward(self, x: &[f32], plane: usize, dy: &[f32]) -> (Vec<f32>, f32) {
        let lanes = PlaneLanes::new(plane);
        let (dx_lens, parameter_lens) = ((x.len(), PLANES_PER_TASK * plane), (dy.len(), PLANES_PER_TASK));
        let flops = FLOPS_PER_VALUE.saturating_mul(x.len());
        let (dx, of_parameter) = parallel::filled_pair(dx_lens, parameter_lens, flops, |i, mut dx, of_parameter| {
            let (first, of_parameter) = (i * PLANES_PER_TASK, of_parameter.zeroed());
            let (x, dy) = (&x[first * plane..], &dy[first..][..of_parameter.len()]);
            scratch::with([lanes.len(); 3], |[values, scaled, weights]| {
                let blocks = dy.chunks(lanes.planes()).zip(of_parameter.chunks_mut(lanes.planes()));
                for ((dy, of_parameter), x) in blocks.zip(x.chunks(lanes.planes() * plane)) {
                    let (x, dx) = (&x[..dy.len() * plane], dx.take_zeroed(dy.len() * plane));
                    backward_block(self, lanes, [x, dy], [values, scaled, weights], dx, of_parameter);
                }
            });
        });
        // In f64, because the parts have both signs and may cancel.
        (dx, of_parameter.into_iter().map(f64::from).sum::<f64>() as f32)
    }
}

vectorised! {
/// Pools the planes of a block; `rows` is scratch.
fn forward_block<'a>(
    pooling: SmoothMaximum,
    lanes: PlaneLanes,
    x: &'a [f32],
    rows: &'a mut [f32],
    y: &'a mut [f32],
) {
    let plane = x.len() / y.len();
    lanes.lay(x, rows);
    if pooling.kind == Kind::GeneralisedMean {
        rows.iter_mut().for_each(|x| *x = ln(clamped(*x)));
    }
    let max = lanes.maxima(rows);
    scale(lanes, rows, &max, pooling.sharpness);
    rows.iter_mut().for_each(|x| *x = exp(*x));
    let sums = lanes.sums(rows);
    let mut results = [0f32; BLOCK_WIDTH];
    for lane in 0..BLOCK_WIDTH {
        results[lane] = max[lane] + ln(sums[lane] / plane as f32) / pooling.sharpness;
    }
    if pooling.kind == Kind::GeneralisedMean {
        results.iter_mut().for_each(|y| *y = exp(*y));
    }
    y.copy_from_slice(&results[..y.len()]);
}
}

vectorised! {
/// Writes the gradients of the planes of a block, and what each of them adds to the gradient of the parameter. `inputs`
/// are x and dy, `rows` is scratch.
fn backward_block<'a>(
    pooling: SmoothMaximum,
    lanes: PlaneLanes,
    inputs: [&'a [f32]; 2],
    rows: [&'a mut [f32]; 3],
    dx: &'a mut [f32],
    of_parameter: &'a mut [f32],
) {
    let ([x, dy], [values, scaled, weights]) = (inputs, rows);
    let (plane, r) = (x.len() / dy.len(), pooling.sharpness);
    lanes.lay(x, values);
    if pooling.kind == Kind::GeneralisedMean {
        scaled.iter_mut().zip(&*values).for_each(|(scaled, &x)| *scaled = ln(clamped(x)));
    } else {
        scaled.copy_from_slice(values);
    }
    let max = lanes.maxima(scaled);
    scale(lanes, scaled, &max, r);
    weights.iter_mut().zip(&*scaled).for_each(|(weight, &x)| *weight = exp(x));
    let sums = lanes.sums(weights);
    scaled.iter_mut().zip(&*weights).for_each(|(scaled, weight)| *scaled *= weight);
    let weighted = lanes.sums(scaled);

    let mut upstream = [0f32; BLOCK_WIDTH];
    upstream[..dy.len()].copy_from_slice(dy);
    let (mut factors, mut of_parameters) = ([0f32; BLOCK_WIDTH], [0f32; BLOCK_WIDTH]);
    for lane in 0..BLOCK_WIDTH {
        let log_mean = ln(sums[lane] / plane as f32);
        let y = if pooling.kind == Kind::GeneralisedMean { exp(max[lane] + log_mean / r) } else { 1. };
        factors[lane] = upstream[lane] * y / sums[lane];
        of_parameters[lane] = upstream[lane] * y * (weighted[lane] / sums[lane] - log_mean) / (r * r);
    }
    of_parameter.copy_from_slice(&of_parameters[..dy.len()]);
    if !lanes.is_side_by_side() {
        factors = [factors[0]; BLOCK_WIDTH];
    }
    for weights in weights.as_chunks_mut::<BLOCK_WIDTH>().0 {
        for lane in 0..BLOCK_WIDTH {
            weights[lane] *= factors[lane];
        }
    }
    if pooling.kind == Kind::GeneralisedMean {
        weights.iter_mut().zip(&*values).for_each(|(weight, &x)| *weight = if x < FLOOR { 0. } else { *weight / x });
    }
    lanes.gather(weights, dx);
}
}

/// Returns the feature, or [`FLOOR`] if that is larger; NaN stays NaN.
#[inline(always)]
fn clamped(x: f32) -> f32 {
    if x < FLOOR { FLOOR } else { x }
}

/// Replaces each x by `r(x − max)`.
#[inline(always)]
fn scale(lanes: PlaneLanes, rows: &mut [f32], max: &Lanes, r: f32) {
    for row in rows.as_chunks_mut::<BLOCK_WIDTH>().0 {
        for lane in 0..BLOCK_WIDTH {
            row[lane] = r * (row[lane] - max[lane]);
        }
    }
    lanes.fill_rest(rows, NO_WEIGHT);
}
