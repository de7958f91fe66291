//! The step of an optimiser on one parameter, in place, as PyTorch's `fused=True` computes it.
//!
//! The caller keeps the moments and counts the steps.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use ops::optimizer::{Update, step};
//!
//! # fn main() -> candle_core::Result<()> {
//! let weight = Var::from_tensor(&Tensor::new(&[1f32, -2.], &Device::Cpu)?)?;
//! let gradient = Tensor::new(&[0.5f32, 4.], &Device::Cpu)?;
//! let update = Update::Sgd { lr: 0.1, momentum: 0., nesterov: false, weight_decay: 0. };
//! // Without momentum, SGD has no moments.
//! step(update, &weight, &gradient, [&mut [], &mut []])?;
//! assert_eq!(weight.to_vec1::<f32>()?, [0.95, -2.4]);
//! # Ok(())
//! # }
//! ```

use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, Var, bail};

use crate::cpu;

/// The rule by which a step changes a parameter: the same scalars for all its elements. As in PyTorch, they are rounded to
/// f32 once.
#[derive(Debug, Clone, Copy)]
pub enum Update {
    /// `torch.optim.SGD`. With momentum it has one moment, the velocity; without, none.
    Sgd {
        /// The learning rate.
        lr: f64,
        /// The factor of the velocity.
        momentum: f64,
        /// True if the step looks ahead along the velocity (Nesterov).
        nesterov: bool,
        /// The factor of the L2 penalty's gradient.
        weight_decay: f64,
    },
    /// `torch.optim.AdamW` (Loshchilov & Hutter 2019). Its moments are the running means of the gradient and of its square.
    AdamW {
        /// 1 − learning rate · weight decay, the factor of the parameter.
        decay: f64,
        /// The decay of the first moment.
        beta1: f64,
        /// The decay of the second moment.
        beta2: f64,
        /// The learning rate divided by the bias correction of the first moment, 1 − β₁ᵗ at step t.
        step_size: f64,
        /// √(1 − β₂ᵗ), the bias correction of the root of the second moment.
        bias_correction2_sqrt: f64,
        /// Added to the root of the second moment.
        eps: f64,
    },
}

impl Update {
    /// Returns the number of moments that the rule keeps.
    pub fn moments(&self) -> usize {
        match *self {
            Update::Sgd { momentum, .. } => usize::from(momentum != 0.),
            Update::AdamW { .. } => 2,
        }
    }
}

/// Applies one step to an f32 parameter on the CPU and to its moments, each as long as the parameter; those that the rule
/// does not have are ignored. The result has the same bits on any number of threads and on every instruction set.
///
/// # Errors
/// A gradient of another shape; a parameter or gradient that is not f32, contiguous and on the CPU; moments of another
/// length.
pub fn step(update: Update, parameter: &Var, gradient: &Tensor, moments: [&mut [f32]; 2]) -> Result<()> {
    if gradient.dims() != parameter.dims() {
        bail!("a gradient of {:?} does not fit a parameter of {:?}", gradient.dims(), parameter.dims())
    }
    if let Some(moment) = moments[..update.moments()].iter().find(|moment| moment.len() != parameter.elem_count()) {
        bail!("a moment of {} values does not fit a parameter of {:?}", moment.len(), parameter.dims())
    }
    parameter.inplace_op2(gradient, &Step { update, moments: RefCell::new(moments) })
}

struct Step<'a> {
    update: Update,
    /// In a cell, since candle passes the operator by shared reference.
    moments: RefCell<[&'a mut [f32]; 2]>,
}

impl InplaceOp2 for Step<'_> {
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
        let [first, second] = &mut *self.moments.borrow_mut();
        cpu::optimizer::step(self.update, &mut parameter[p0..p1], &gradient[g0..g1], first, second);
        Ok(())
    }
}
