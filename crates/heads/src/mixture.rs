use crate::pool_linear::{Pooling, activation_maps};
use crate::{Evidence, Reduction};
use candle_core::{Result, Tensor};
use layers::{Linear, Mode};

/// timm's mixtures of global average and maximum: their mean, or both side by side.
#[derive(Debug, Clone, Copy)]
pub enum Mixture {
    Mean,
    Concatenated,
}

impl Pooling for Mixture {
    fn kind(&self) -> &'static str {
        match self {
            Mixture::Mean => "GlobalAvgMaxPool",
            Mixture::Concatenated => "GlobalCatAvgMaxPool",
        }
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        let (average, maximum) = (ops::global_avg_pool(features)?, ops::global_max_pool(features)?);
        match self {
            Mixture::Mean => (average + maximum)?.affine(0.5, 0.),
            Mixture::Concatenated => Tensor::cat(&[average, maximum], 1),
        }
    }

    fn outputs(&self, channels: usize) -> usize {
        match self {
            Mixture::Mean => channels,
            Mixture::Concatenated => 2 * channels,
        }
    }

    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let weight = linear.weight();
        let weight = match self {
            Mixture::Mean => weight.clone(),
            // A position counts by what its channel is worth in the average and in the maximum together.
            Mixture::Concatenated => {
                let channels = features.dim(1)?;
                (weight.narrow(1, 0, channels)? + weight.narrow(1, channels, channels)?)?
            }
        };
        activation_maps(features, &weight, linear, Reduction::None)
    }
}
