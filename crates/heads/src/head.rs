use crate::attention::Attention;
use crate::fully_connected::FullyConnected;
use crate::global::Global;
use crate::mixture::Mixture;
use crate::pointwise::Pointwise;
use crate::pool_linear::PoolLinear;
use crate::pyramid::Pyramid;
use crate::smooth_maximum::SmoothMaximum;
use crate::{Evidence, HeadConfig};
use candle_core::{Result, Tensor, bail};
use candle_nn::{ModuleT, VarBuilder};
use layers::{Description, Layer, Mode, Prepared};
use std::sync::atomic::{AtomicU64, Ordering};

/// What every head can do beyond computing logits.
pub(crate) trait Body: Layer {
    fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor>;
    fn class_maps(&self, features: &Tensor) -> Result<Evidence>;

    fn fixed_input(&self) -> bool {
        false
    }
}

/// An error unless features of this shape, (C, …) with at least one spatial axis, have so many channels.
pub(crate) fn check_channels(features: &[usize], channels: usize) -> Result<()> {
    if features.len() < 2 || features[0] != channels {
        bail!("a head for features of {channels} channels can't take {features:?}")
    }
    Ok(())
}

/// A classifier head: from a feature map to logits.
pub struct Head {
    body: Box<dyn Body>,
    /// Tells one training step from the next where candle's `ModuleT` says only that it trains.
    module_steps: AtomicU64,
}

impl Head {
    /// Builds the head for features of this shape (C, L) or (C, H, W), without the batch axis.
    ///
    /// Parameters: `weight` and `bias` of the linear layer or convolution that gives the logits, directly under `vb`;
    /// heads of several layers number them as `torch.nn.Sequential(Flatten, Linear, ReLU, …)` does.
    ///
    /// # Errors
    /// A feature shape without spatial axes or with an empty one, no classes, or `direct` where channels and classes
    /// differ.
    pub fn new(config: &HeadConfig, features: &[usize], classes: usize, vb: VarBuilder) -> Result<Self> {
        if features.len() < 2 || features.contains(&0) || classes == 0 {
            bail!("a head needs features (C, L) or (C, H, W) and at least one class, not {features:?} and {classes}")
        }
        let c = features[0];
        let body: Box<dyn Body> = match config {
            HeadConfig::Fc { hidden, dropout } => {
                Box::new(FullyConnected::new(features, hidden, *dropout, classes, vb)?)
            }
            HeadConfig::Gap { direct } => Box::new(Pointwise::new(Global::Average, *direct, features, classes, vb)?),
            HeadConfig::Gmp { direct } => Box::new(Pointwise::new(Global::Maximum, *direct, features, classes, vb)?),
            HeadConfig::GapFc => Box::new(PoolLinear::new(Global::Average, c, classes, vb)?),
            HeadConfig::GmpFc => Box::new(PoolLinear::new(Global::Maximum, c, classes, vb)?),
            HeadConfig::AvgmaxFc => Box::new(PoolLinear::new(Mixture::Mean, c, classes, vb)?),
            HeadConfig::CatavgmaxFc => Box::new(PoolLinear::new(Mixture::Concatenated, c, classes, vb)?),
            HeadConfig::GemFc => Box::new(PoolLinear::new(SmoothMaximum::gem(vb.clone())?, c, classes, vb)?),
            HeadConfig::LseFc => Box::new(PoolLinear::new(SmoothMaximum::lse(vb.clone())?, c, classes, vb)?),
            HeadConfig::SppFc => Box::new(PoolLinear::new(Pyramid, c, classes, vb)?),
            HeadConfig::AttnFc => Box::new(PoolLinear::new(Attention::new(c, vb.pp("attention"))?, c, classes, vb)?),
        };
        Ok(Self { body, module_steps: AtomicU64::new(0) })
    }

    /// The vector per image that the last linear layer gets, (N, D); for `gap` and `gmp`, whose classifier is the
    /// convolution before pooling, the features pooled the same way (N, C).
    pub fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.body.pooled(features, mode)
    }

    /// The evidence for each class at each position of the features, in evaluation mode.
    pub fn class_maps(&self, features: &Tensor) -> Result<Evidence> {
        self.body.class_maps(features)
    }

    /// Whether the head takes one size of feature map only.
    pub fn fixed_input(&self) -> bool {
        self.body.fixed_input()
    }
}

impl Layer for Head {
    /// (N, C, L) or (N, C, H, W) → logits (N, K)
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.body.forward(features, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        self.body.describe(input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.body.prepare(input)
    }
}

impl ModuleT for Head {
    /// Candle's interface: training with dropout masks that change from call to call, or evaluation.
    fn forward_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        let mode = if train {
            Mode::Train { seed: 0, step: self.module_steps.fetch_add(1, Ordering::Relaxed) }
        } else {
            Mode::Eval
        };
        self.forward(features, mode)
    }
}
