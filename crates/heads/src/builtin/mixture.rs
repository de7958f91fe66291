use candle_core::{Result, Tensor};
use layers::{
    GlobalAvgPool, GlobalMaxPool,
    graph::{Graph, Value},
    image_shape,
};
use ops::prepared::{Chain, Pool};

use crate::{
    Evidence, HeadKind, Layer, Linear, Mode, Pooling, Prepared, Reduction, class_activation_map, export::pointwise,
};

pub(super) const AVGMAX_FC: HeadKind =
    HeadKind::pooled("avgmax-fc", "half the sum of global average and maximum, linear", |_, _| {
        Ok(Box::new(Mixture::Mean))
    });

pub(super) const CATAVGMAX_FC: HeadKind =
    HeadKind::pooled("catavgmax-fc", "global average and maximum side by side, linear", |_, _| {
        Ok(Box::new(Mixture::Concatenated))
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

impl Mixture {
    /// Returns the weight (K, C) of the class maps.
    fn map_weight(&self, linear: &Linear) -> Result<Tensor> {
        let weight = linear.weight();
        match self {
            Self::Mean => Ok(weight.clone()),
            // A channel has one weight for its average and one for its maximum, and the map uses their sum.
            Self::Concatenated => {
                let channels = weight.dim(1)? / 2;
                weight.narrow(1, 0, channels)? + weight.narrow(1, channels, channels)?
            }
        }
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
        let maps = class_activation_map(features, &self.map_weight(linear)?)?;
        Ok(Evidence::new(maps, Some(linear.bias().clone()), Reduction::None))
    }

    fn export(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let average = GlobalAvgPool.export(features, graph, xs)?;
        let maximum = GlobalMaxPool.export(features, graph, xs)?;
        match self {
            Self::Mean => Ok(graph.node("Mean", &[&average, &maximum], &[])),
            Self::Concatenated => Ok(graph.node("Concat", &[&average, &maximum], &[("axis", 1.into())])),
        }
    }

    fn export_class_maps(&self, linear: &Linear, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let weight = graph.parameter("class_maps.weight", &self.map_weight(linear)?)?;
        pointwise(features, graph, xs, &[&weight])
    }
}
