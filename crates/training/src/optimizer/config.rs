use std::fmt;

use candle_core::{Result, bail};
use serde::{Deserialize, Serialize};

use ops::optimizer::Update;

/// An optimiser and its settings, apart from the learning rate. As in PyTorch, weight decay applies to all parameters,
/// including biases and those of normalisation layers; the L2 penalty of [`OptimizerConfig::Adam`] does not.
///
/// In a configuration file: `optimizer = { kind = "adamw" }` or `optimizer = { kind = "sgd", momentum = 0.9, nesterov =
/// true }`. Settings that are left out have PyTorch's defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum OptimizerConfig {
    /// Stochastic gradient descent, as `torch.optim.SGD` without dampening.
    Sgd {
        /// The factor by which the previous direction is kept.
        #[serde(default)]
        momentum: f64,
        /// True to use Nesterov's accelerated gradient (1983), which needs a momentum.
        #[serde(default)]
        nesterov: bool,
        /// The factor of the parameter that is added to its gradient.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Adam (Kingma & Ba 2015), as `torch.optim.Adam`, with an optional L2 penalty on kernels, as Keras's
    /// `kernel_regularizer=l2(…)`.
    Adam {
        /// The decay rate of the running mean of the gradient.
        #[serde(default = "default::beta1")]
        beta1: f64,
        /// The decay rate of the running mean of the squared gradient.
        #[serde(default = "default::beta2")]
        beta2: f64,
        /// The constant added to the denominator for numerical stability.
        #[serde(default = "default::eps")]
        eps: f64,
        /// The factor of the penalty, the sum of the squares of all parameters of two or more axes: kernels and embeddings,
        /// but not biases or normalisation layers. Its gradient is added to that of the loss, whose value does not
        /// include it.
        #[serde(default)]
        l2: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019), as `torch.optim.AdamW`.
    AdamW {
        /// The decay rate of the running mean of the gradient.
        #[serde(default = "default::beta1")]
        beta1: f64,
        /// The decay rate of the running mean of the squared gradient.
        #[serde(default = "default::beta2")]
        beta2: f64,
        /// The constant added to the denominator for numerical stability.
        #[serde(default = "default::eps")]
        eps: f64,
        /// The decay of the parameter itself: each step shrinks it by the factor 1 − lr · `weight_decay`.
        #[serde(default = "default::weight_decay")]
        weight_decay: f64,
    },
}

mod default {
    pub fn beta1() -> f64 {
        0.9
    }
    pub fn beta2() -> f64 {
        0.999
    }
    pub fn eps() -> f64 {
        1e-8
    }
    pub fn weight_decay() -> f64 {
        0.01
    }
}

impl OptimizerConfig {
    /// Returns stochastic gradient descent with PyTorch's defaults: no momentum and no weight decay.
    pub fn sgd() -> Self {
        OptimizerConfig::Sgd { momentum: 0., nesterov: false, weight_decay: 0. }
    }

    /// Returns Adam with PyTorch's defaults, β 0.9 and 0.999, ε 1e-8, and no L2 penalty.
    pub fn adam() -> Self {
        OptimizerConfig::Adam { beta1: default::beta1(), beta2: default::beta2(), eps: default::eps(), l2: 0. }
    }

    /// Returns AdamW with PyTorch's defaults: β 0.9 and 0.999, ε 1e-8, weight decay 0.01.
    pub fn adamw() -> Self {
        OptimizerConfig::AdamW {
            beta1: default::beta1(),
            beta2: default::beta2(),
            eps: default::eps(),
            weight_decay: default::weight_decay(),
        }
    }

    /// Checks the settings, with PyTorch's conditions.
    pub(super) fn check(&self) -> Result<()> {
        let not_negative = |name, value: f64| match value.is_finite() && value >= 0. {
            true => Ok(()),
            false => bail!("optimizer {self}: {name} must be finite and not negative"),
        };
        match *self {
            OptimizerConfig::Sgd { momentum, nesterov, .. } => {
                not_negative("momentum", momentum)?;
                if nesterov && momentum == 0. {
                    bail!("optimizer {self}: nesterov needs a momentum above 0")
                }
            }
            OptimizerConfig::Adam { beta1, beta2, eps, .. } | OptimizerConfig::AdamW { beta1, beta2, eps, .. } => {
                for (name, beta) in [("beta1", beta1), ("beta2", beta2)] {
                    if !(0. ..1.).contains(&beta) {
                        bail!("optimizer {self}: {name} must be at least 0 and less than 1")
                    }
                }
                not_negative("eps", eps)?;
            }
        }
        match *self {
            OptimizerConfig::Adam { l2, .. } => not_negative("l2", l2)?,
            OptimizerConfig::Sgd { weight_decay, .. } | OptimizerConfig::AdamW { weight_decay, .. } => {
                not_negative("weight_decay", weight_decay)?;
            }
        }
        Ok(())
    }

    /// Returns the number of running means that the optimiser keeps for each parameter.
    pub(super) fn moments(&self) -> usize {
        match *self {
            OptimizerConfig::Sgd { momentum, .. } => (momentum != 0.) as usize,
            OptimizerConfig::Adam { .. } | OptimizerConfig::AdamW { .. } => 2,
        }
    }

    /// Returns the factor of a parameter that is added to its gradient before the update: the gradient of the L2 penalty.
    pub(super) fn l2_gradient(&self, axes: usize) -> Option<f64> {
        match *self {
            OptimizerConfig::Adam { l2, .. } if l2 > 0. && axes >= 2 => Some(2. * l2),
            _ => None,
        }
    }

    /// Returns the update that a parameter's `step`, counted from 1, applies.
    pub(super) fn update(&self, lr: f64, step: i32) -> Update {
        let adam = |beta1: f64, beta2: f64, eps, decay| Update::AdamW {
            decay,
            beta1,
            beta2,
            step_size: lr / (1. - beta1.powi(step)),
            bias_correction2_sqrt: (1. - beta2.powi(step)).sqrt(),
            eps,
        };
        match *self {
            OptimizerConfig::Sgd { momentum, nesterov, weight_decay } => {
                Update::Sgd { lr, momentum, nesterov, weight_decay }
            }
            OptimizerConfig::Adam { beta1, beta2, eps, .. } => adam(beta1, beta2, eps, 1.),
            OptimizerConfig::AdamW { beta1, beta2, eps, weight_decay } => {
                adam(beta1, beta2, eps, 1. - lr * weight_decay)
            }
        }
    }
}

/// Formats the optimiser for tables and records, such as `sgd(momentum=0.9, nesterov, weight_decay=0.0005)`.
impl fmt::Display for OptimizerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptimizerConfig::Sgd { momentum, nesterov, weight_decay } => {
                let nesterov = if *nesterov { ", nesterov" } else { "" };
                write!(f, "sgd(momentum={momentum}{nesterov}, weight_decay={weight_decay})")
            }
            OptimizerConfig::Adam { beta1, beta2, eps, l2 } => {
                write!(f, "adam(beta1={beta1}, beta2={beta2}, eps={eps:e}, l2={l2})")
            }
            OptimizerConfig::AdamW { beta1, beta2, eps, weight_decay } => {
                write!(f, "adamw(beta1={beta1}, beta2={beta2}, eps={eps:e}, weight_decay={weight_decay})")
            }
        }
    }
}
