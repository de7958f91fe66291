//! Updates an f32 parameter on the CPU in one pass over parameter, gradient and moments. The loops are elementwise, so
//! the result depends neither on the number of threads nor on vectorisation.

use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, Var, bail};

use crate::optimizer::update::Update;

/// Applies the update to a parameter and its moments.
pub fn step(update: Update, variable: &Var, gradient: &Tensor, moments: &mut [Vec<f32>; 2]) -> Result<()> {
    if gradient.dims() != variable.dims() {
        bail!("a gradient of {:?} does not fit a parameter of {:?}", gradient.dims(), variable.dims())
    }
    variable.inplace_op2(gradient, &FusedStep { update, moments: RefCell::new(moments) })
}

struct FusedStep<'a> {
    update: Update,
    /// In a cell, since candle passes the operator by shared reference.
    moments: RefCell<&'a mut [Vec<f32>; 2]>,
}

impl InplaceOp2 for FusedStep<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let (CpuStorage::F32(parameter), CpuStorage::F32(gradient)) = (s1, s2) else {
            bail!("{}: parameter and gradient must be f32", self.name())
        };
        let (Some((p0, p1)), Some((g0, g1))) = (l1.contiguous_offsets(), l2.contiguous_offsets()) else {
            bail!("{}: parameter and gradient must be contiguous", self.name())
        };
        let [first, second] = &mut **self.moments.borrow_mut();
        apply(self.update, &mut parameter[p0..p1], &gradient[g0..g1], first, second);
        Ok(())
    }
}

/// Applies the update to slices of equal length. As in PyTorch, the scalars are rounded to f32 once.
fn apply(update: Update, parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
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
