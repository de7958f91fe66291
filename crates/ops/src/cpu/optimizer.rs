//! One step of an optimiser on a parameter: every value is read once and written once. An element is updated by itself,
//! without fused multiplications and additions, so its bits depend neither on the threads nor on the instruction set.
//!
//! The bound is the memory: AdamW moves 28 bytes for each element.

use super::{isa::vectorised, parallel};
use crate::optimizer::Update;

/// The number of elements per parallel task. What has no more is updated on the thread that calls.
const CHUNK: usize = 1 << 14;

/// Applies a step to a parameter and its moments. Those that the update has are as long as the parameter.
pub fn step(update: Update, parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
    if parameter.len() <= CHUNK {
        return step_chunk(update, parameter, gradient, first, second);
    }
    let (mut first, mut second) = (first.chunks_mut(CHUNK), second.chunks_mut(CHUNK));
    let chunks = parameter.chunks_mut(CHUNK).zip(gradient.chunks(CHUNK));
    // A moment that the update does not have is empty.
    let chunks = chunks.map(|(p, g)| (p, g, first.next().unwrap_or_default(), second.next().unwrap_or_default()));
    parallel::tasks(chunks.collect(), |(p, g, first, second)| step_chunk(update, p, g, first, second));
}

vectorised! {
/// Computes [`step`] on one thread.
fn step_chunk<'a>(
    update: Update,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
) {
    match update {
        Update::Sgd { lr, momentum, nesterov, weight_decay } => {
            let (lr, weight_decay) = (lr as f32, weight_decay as f32);
            if momentum == 0. {
                for (p, &g) in parameter.iter_mut().zip(gradient) {
                    *p -= lr * (g + weight_decay * *p);
                }
                return;
            }
            let momentum = momentum as f32;
            for ((p, &g), m) in parameter.iter_mut().zip(gradient).zip(first) {
                let g = g + weight_decay * *p;
                *m = momentum * *m + g;
                *p -= lr * if nesterov { g + momentum * *m } else { *m };
            }
        }
        Update::AdamW { decay, beta1, beta2, step_size, bias_correction2_sqrt, eps } => {
            let (decay, step_size, eps) = (decay as f32, step_size as f32, eps as f32);
            let (weight1, beta2, weight2) = ((1. - beta1) as f32, beta2 as f32, (1. - beta2) as f32);
            let correction = bias_correction2_sqrt as f32;
            for (((p, &g), m), v) in parameter.iter_mut().zip(gradient).zip(first).zip(second) {
                *m += weight1 * (g - *m);
                *v = beta2 * *v + weight2 * g * g;
                *p = *p * decay - step_size * *m / (v.sqrt() / correction + eps);
            }
        }
    }
}
}
