use crate::evidence::class_activation_map;
use crate::pool_linear::Pooling;
use crate::{Evidence, Reduction};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use layers::{Description, Layer, Linear, Mode};

const HIDDEN: usize = 64;

/// Gated attention pooling (Ilse et al. 2018): `Σ a_i f_i` over positions, with
/// `a = softmax(w · (tanh(V f_i) ⊙ σ(U f_i)))`, 64 hidden units, all with bias.
#[derive(Debug, Clone)]
pub struct Attention {
    v: Linear,
    u: Linear,
    w: Linear,
}

impl Attention {
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            v: Linear::new(channels, HIDDEN, vb.pp("v"))?,
            u: Linear::new(channels, HIDDEN, vb.pp("u"))?,
            w: Linear::new(HIDDEN, 1, vb.pp("w"))?,
        })
    }

    /// (N, C, …) → the weight of each position, (N, 1, positions).
    fn weights(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        let positions = features.flatten_from(2)?.transpose(1, 2)?;
        let gate = candle_nn::ops::sigmoid(&self.u.forward(&positions, mode)?)?;
        let scores = self.w.forward(&(self.v.forward(&positions, mode)?.tanh()? * gate)?, mode)?;
        ops::softmax(&scores.transpose(1, 2)?)
    }
}

impl Pooling for Attention {
    fn kind(&self) -> &'static str {
        "GatedAttentionPool"
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        features.flatten_from(2)?.broadcast_mul(&self.weights(features, mode)?)?.sum(2)
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        let positions: usize = features[1..].iter().product();
        let macs = positions * (2 * HIDDEN * features[0] + HIDDEN);
        let params = 2 * (features[0] + 1) * HIDDEN + HIDDEN + 1;
        let description = Description::global(self.kind(), vec![features[0]]);
        Ok(description.with_params(params).with_macs(macs as u64).at("attention"))
    }

    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let maps = class_activation_map(features, linear.weight())?;
        let weighted = maps.flatten_from(2)?.broadcast_mul(&self.weights(features, Mode::Eval)?)?;
        let maps = weighted.reshape(maps.shape())?;
        Ok(Evidence { maps, bias: Some(linear.bias().clone()), reduction: Reduction::Sum })
    }
}
