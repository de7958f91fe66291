use super::Rule;
use candle_core::{Result, bail};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which optimiser, and its settings but for the learning rate. Weight decay applies to all parameters, biases and
/// normalisation too, as PyTorch has it.
///
/// In a configuration file: `optimizer = { kind = "adamw" }`, `optimizer = { kind = "sgd", momentum = 0.9, nesterov =
/// true }`; what is left out has PyTorch's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent, as `torch.optim.SGD` without dampening; weight decay is added to the gradient.
    Sgd {
        /// Share of the last direction that is kept.
        #[serde(default)]
        momentum: f64,
        /// Look ahead along the momentum (Nesterov 1983); needs one.
        #[serde(default)]
        nesterov: bool,
        /// Times the parameter, added to its gradient.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019), as `torch.optim.AdamW`.
    AdamW {
        /// Decay of the mean of gradients.
        #[serde(default = "default::beta1")]
        beta1: f64,
        /// Decay of the mean of squared gradients.
        #[serde(default = "default::beta2")]
        beta2: f64,
        /// Added to the root of the latter.
        #[serde(default = "default::eps")]
        eps: f64,
        /// Each step shrinks the parameter by lr · `weight_decay`.
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
    /// Plain gradient descent: no momentum, no weight decay.
    pub fn sgd() -> Self {
        OptimizerConfig::Sgd { momentum: 0., nesterov: false, weight_decay: 0. }
    }

    /// PyTorch's defaults: β 0.9 and 0.999, ε 1e-8, weight decay 0.01.
    pub fn adamw() -> Self {
        OptimizerConfig::AdamW {
            beta1: default::beta1(),
            beta2: default::beta2(),
            eps: default::eps(),
            weight_decay: default::weight_decay(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let not_negative = |name, value: f64| match value.is_finite() && value >= 0. {
            true => Ok(()),
            false => bail!("optimizer {self}: {name} can't be {value}"),
        };
        match *self {
            OptimizerConfig::Sgd { momentum, nesterov, weight_decay } => {
                not_negative("momentum", momentum)?;
                not_negative("weight_decay", weight_decay)?;
                if nesterov && momentum == 0. {
                    bail!("optimizer {self}: nesterov needs a momentum")
                }
            }
            OptimizerConfig::AdamW { beta1, beta2, eps, weight_decay } => {
                for (name, beta) in [("beta1", beta1), ("beta2", beta2)] {
                    if !(0. ..1.).contains(&beta) {
                        bail!("optimizer {self}: {name} must be at least 0 and less than 1")
                    }
                }
                not_negative("eps", eps)?;
                not_negative("weight_decay", weight_decay)?;
            }
        }
        Ok(())
    }

    /// How many running means the method keeps per parameter.
    pub(super) fn moments(&self) -> usize {
        match *self {
            OptimizerConfig::Sgd { momentum, .. } => (momentum != 0.) as usize,
            OptimizerConfig::AdamW { .. } => 2,
        }
    }

    /// The numbers of a parameter's `step`, which counts from 1.
    pub(super) fn rule(&self, lr: f64, step: i32) -> Rule {
        match *self {
            OptimizerConfig::Sgd { momentum, nesterov, weight_decay } => {
                Rule::Sgd { lr, momentum, nesterov, weight_decay }
            }
            OptimizerConfig::AdamW { beta1, beta2, eps, weight_decay } => Rule::AdamW {
                decay: 1. - lr * weight_decay,
                beta1,
                beta2,
                step_size: lr / (1. - beta1.powi(step)),
                bias_correction2_sqrt: (1. - beta2.powi(step)).sqrt(),
                eps,
            },
        }
    }
}

/// One line for tables and records, such as `sgd(momentum=0.9, nesterov, weight_decay=0.0005)`.
impl fmt::Display for OptimizerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptimizerConfig::Sgd { momentum, nesterov, weight_decay } => {
                let nesterov = if *nesterov { ", nesterov" } else { "" };
                write!(f, "sgd(momentum={momentum}{nesterov}, weight_decay={weight_decay})")
            }
            OptimizerConfig::AdamW { beta1, beta2, eps, weight_decay } => {
                write!(f, "adamw(beta1={beta1}, beta2={beta2}, eps={eps:e}, weight_decay={weight_decay})")
            }
        }
    }
}
