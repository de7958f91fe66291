use candle_core::{Result, Tensor};
use layers::image_shape;
use ops::prepared::{Chain, Pool};

use crate::{Evidence, HeadKind, Linear, Mode, PoolLinear, Pooling, Prepared, Reduction, class_activation_map};

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

/// Computes half the sum of the first and the last values of an input, of which there are this number each.
struct MeanOfHalves(usize);

impl Prepared for MeanOfHalves {
    fn sizes(&self) -> [usize; 2] {
        [2 * self.0, self.0]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        for (x, y) in x.chunks_exact(2 * self.0).zip(y.chunks_exact_mut(self.0)) {
            let (first, last) = x.split_at(self.0);
            y.iter_mut().zip(first).zip(last).for_each(|((y, first), last)| *y = 0.5 * (first + last));
        }
        Ok(())
    }
}

impl Pooling for Mixture {
    fn name(&self) -> &str {
        match self {
            Self::Mean => "GlobalAvgMaxPool",
            Self::Concatenated => "GlobalCatAvgMaxPool",
        }
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        let both = ops::global_avg_max_pool(features)?;
        match self {
            Self::Mean => {
                let channels = features.dim(1)?;
                (both.narrow(1, 0, channels)? + both.narrow(1, channels, channels)?)?.affine(0.5, 0.)
            }
            Self::Concatenated => Ok(both),
        }
    }

    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let features = image_shape(features)?;
        let both = Box::new(Pool::global_avg_max(features)?);
        match self {
            Self::Mean => Ok(Box::new(Chain::new(vec![both, Box::new(MeanOfHalves(features[0]))])?)),
            Self::Concatenated => Ok(both),
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
