use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::{
    Description, Evidence, HeadKind, Layer, Linear, Mode, PoolLinear, Pooling, Reduction, class_activation_map,
};

pub(super) const ATTN_FC: HeadKind =
    HeadKind::new("attn-fc", "gated attention pooling, linear", |features, classes, vb| {
        let attention = Attention::new(features[0], vb.pp("attention"))?;
        Ok(Box::new(PoolLinear::new(attention, features[0], classes, vb)?))
    });

const HIDDEN: usize = 64;

/// Gated attention pooling (Ilse et al. 2018): `Σ a_i f_i` over the positions, with
/// `a = softmax(w · (tanh(V f_i) ⊙ σ(U f_i)))`. `V` and `U` have 64 hidden units, and `V`, `U` and `w` have a bias.
#[derive(Debug, Clone)]
struct Attention {
    v: Linear,
    u: Linear,
    w: Linear,
}

impl Attention {
    fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            v: Linear::new(channels, HIDDEN, vb.pp("v"))?,
            u: Linear::new(channels, HIDDEN, vb.pp("u"))?,
            w: Linear::new(HIDDEN, 1, vb.pp("w"))?,
        })
    }

    /// Computes the attention to each position: (N, C, …) → (N, 1, positions).
    fn attend(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        let positions = features.flatten_from(2)?.transpose(1, 2)?;
        let gate = candle_nn::ops::sigmoid(&self.u.forward(&positions, mode)?)?;
        let scores = self.w.forward(&(self.v.forward(&positions, mode)?.tanh()? * gate)?, mode)?;
        ops::softmax(&scores.transpose(1, 2)?)
    }
}

impl Pooling for Attention {
    fn name(&self) -> &str {
        "GatedAttentionPool"
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        features.flatten_from(2)?.broadcast_mul(&self.attend(features, mode)?)?.sum(2)
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        let positions: usize = features[1..].iter().product();
        let macs = positions * (2 * HIDDEN * features[0] + HIDDEN);
        let params = 2 * (features[0] + 1) * HIDDEN + HIDDEN + 1;
        let description = Description::global(self.name(), vec![features[0]]);
        Ok(description.with_params(params).with_macs(macs as u64).at("attention"))
    }

    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let maps = class_activation_map(features, linear.weight())?;
        let attended = maps.flatten_from(2)?.broadcast_mul(&self.attend(features, Mode::Eval)?)?;
        let maps = attended.reshape(maps.shape())?;
        Ok(Evidence::new(maps, Some(linear.bias().clone()), Reduction::Sum))
    }
}
