use std::{f64::consts::PI, fmt};

use candle_core::{Result, bail};
use serde::{Deserialize, Serialize};

/// The course of the learning rate over a run. It changes with every step.
///
/// In a configuration file: `schedule = { kind = "one-cycle" }` or `schedule = { kind = "cosine", warmup = 0.1 }`.
/// Settings that are left out have the values of [`Schedule::one_cycle`] and [`Schedule::cosine`].
///
/// ```
/// use training::Schedule;
///
/// let schedule = Schedule::one_cycle();
/// let rates = [0, 29, 99].map(|step| format!("{:.7}", schedule.lr(0.1, step, 100)));
/// assert_eq!(rates, ["0.0040000", "0.1000000", "0.0000004"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// The peak learning rate at every step. It has braces because serde would accept unknown settings otherwise.
    Constant {},
    /// The one-cycle policy of Smith & Topin (2018) in two phases with cosine annealing, as
    /// `torch.optim.lr_scheduler.OneCycleLR(cycle_momentum=False)`: from peak / `div_factor` up to the peak, then down
    /// to peak / (`div_factor` · `final_div_factor`).
    OneCycle {
        /// The share of the steps in which the rate rises.
        #[serde(default = "default::one_cycle_warmup")]
        warmup: f64,
        /// The ratio of the peak to the first rate.
        #[serde(default = "default::div_factor")]
        div_factor: f64,
        /// The ratio of the first rate to the last.
        #[serde(default = "default::final_div_factor")]
        final_div_factor: f64,
    },
    /// A linear warm-up to the peak, then half a cosine towards 0 (Loshchilov & Hutter 2017): PyTorch's `LinearLR`
    /// followed by `CosineAnnealingLR`. No step has the rate 0, which would be reached one step before the first and
    /// one after the last.
    Cosine {
        /// The share of the steps in which the rate rises.
        #[serde(default = "default::cosine_warmup")]
        warmup: f64,
    },
    /// A decay with the inverse of the number of steps: peak / (1 + `decay` · step), as the option `decay` of Keras's
    /// optimisers. It does not depend on the length of the run.
    InverseTime {
        /// The growth of the divisor with every step.
        decay: f64,
    },
}

mod default {
    pub fn one_cycle_warmup() -> f64 {
        0.3
    }
    pub fn div_factor() -> f64 {
        25.
    }
    pub fn final_div_factor() -> f64 {
        1e4
    }
    pub fn cosine_warmup() -> f64 {
        0.05
    }
}

impl Schedule {
    /// Returns a schedule that keeps the peak learning rate.
    pub fn constant() -> Self {
        Schedule::Constant {}
    }

    /// Returns the one-cycle policy with PyTorch's defaults: the rate rises from 1/25 of the peak for 30 % of the
    /// steps, then falls to 1/250,000.
    pub fn one_cycle() -> Self {
        Schedule::OneCycle {
            warmup: default::one_cycle_warmup(),
            div_factor: default::div_factor(),
            final_div_factor: default::final_div_factor(),
        }
    }

    /// Returns a cosine after a warm-up of 5 % of the steps.
    pub fn cosine() -> Self {
        Schedule::Cosine { warmup: default::cosine_warmup() }
    }

    /// Returns the learning rate of `step`, which is counted from 0 and less than `total_steps`.
    pub fn lr(&self, peak: f64, step: u64, total_steps: u64) -> f64 {
        let (step, total) = (step as f64, total_steps as f64);
        match *self {
            Schedule::Constant {} => peak,
            Schedule::InverseTime { decay } => peak / (1. + decay * step),
            Schedule::OneCycle { warmup, div_factor, final_div_factor } => {
                let first = peak / div_factor;
                let top = warmup * total - 1.;
                if step <= top {
                    // A warm-up of a single step is the peak itself.
                    let share = if top > 0. { step / top } else { 1. };
                    anneal(first, peak, share)
                } else {
                    // As in PyTorch, `top` is negative if the warm-up is shorter than a step.
                    anneal(peak, first / final_div_factor, ((step - top) / (total - 1. - top)).min(1.))
                }
            }
            Schedule::Cosine { warmup } => {
                let rising = (warmup * total).round();
                if step < rising {
                    peak * (step + 1.) / rising
                } else {
                    anneal(peak, 0., ((step - rising) / (total - rising)).min(1.))
                }
            }
        }
    }

    /// Checks the settings, so that an error shows before a run starts.
    ///
    /// # Errors
    /// A warm-up outside 0 to 1, a factor that is not positive, or a decay that is negative.
    pub fn check(&self) -> Result<()> {
        let (warmup, factors) = match *self {
            Schedule::Constant {} => return Ok(()),
            Schedule::InverseTime { decay } if decay.is_finite() && decay >= 0. => return Ok(()),
            Schedule::InverseTime { .. } => bail!("schedule {self}: decay must be finite and not negative"),
            Schedule::OneCycle { warmup, div_factor, final_div_factor } => (warmup, [div_factor, final_div_factor]),
            Schedule::Cosine { warmup } => (warmup, [1., 1.]),
        };
        if !(0. ..=1.).contains(&warmup) {
            bail!("schedule {self}: warmup is a share of the steps; it must lie between 0 and 1")
        }
        if !factors.iter().all(|&factor| factor.is_finite() && factor > 0.) {
            bail!("schedule {self}: div_factor and final_div_factor must be positive")
        }
        Ok(())
    }
}

/// Interpolates between `start` and `end` along half a cosine.
fn anneal(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) / 2. * ((PI * share).cos() + 1.)
}

/// Formats the schedule for tables and records, such as `one-cycle(warmup=0.3, div_factor=25, final_div_factor=10000)`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant {} => write!(f, "constant"),
            Schedule::OneCycle { warmup, div_factor, final_div_factor } => {
                write!(f, "one-cycle(warmup={warmup}, div_factor={div_factor}, final_div_factor={final_div_factor})")
            }
            Schedule::Cosine { warmup } => write!(f, "cosine(warmup={warmup})"),
            Schedule::InverseTime { decay } => write!(f, "inverse-time(decay={decay})"),
        }
    }
}
