use candle_core::{Result, Tensor};

use crate::{Evidence, HeadKind, Linear, Mode, PoolLinear, Pooling, Reduction, class_activation_map};

pub(super) const AVGMAX_FC: HeadKind =
    HeadKind::new("avgmax-fc", "half the sum of global average and maximum, linear", |features, classes, vb| {
        Ok(Box::new(PoolLinear::new(Mixture::Mean, features[0], classes, vb)?))
    });

pub(super) const CATAVGMAX_FC: HeadKind =
    HeadKind::new("catavgmax-fc", "global average and maximum side by side, linear", |features, classes, vb| {
        Ok(Box::new(PoolLinear::new(Mixture::Concatenated, features[0], classes, vb)?))
    });

/// The global average and maximum combined, as timm's `avgmax` and `catavgmax`.
#[derive(Debug, Clone, Copy)]
enum Mixture {
    Mean,
    Concatenated,
}

impl Pooling for Mixture {
    fn name(&self) -> &str {
        match self {
            Self::Mean => "GlobalAvgMaxPool",
            Self::Concatenated => "GlobalCatAvgMaxPool",
        }
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        let (average, maximum) = (ops::global_avg_pool(features)?, ops::global_max_pool(features)?);
        match self {
            Self::Mean => (average + maximum)?.affine(0.5, 0.),
            Self::Concatenated => Tensor::cat(&[average, maximum], 1),
        }
    }

    fn outputs(&self, channels: usize) -> usize {
        match self {
            Self::Mean => channels,
            Self::Concatenated => 2 * channels,
        }
    }

    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let weight = linear.weight();
        let weight = match self {
            Self::Mean => weight.clone(),
            // A channel has one weight for its average and one for its maximum, and the map uses their sum.
            Self::Concatenated => {
                let channels = features.dim(1)?;
                (weight.narrow(1, 0, channels)? + weight.narrow(1, channels, channels)?)?
            }
        };
        let maps = class_activation_map(features, &weight)?;
        Ok(Evidence::new(maps, Some(linear.bias().clone()), Reduction::None))
    }
}
