use candle_core::{Result, Tensor};
use layers::{
    GlobalAvgPool, GlobalMaxPool,
    graph::{Graph, Value},
    image_shape,
};
use ops::prepared::Pool;

use crate::{
    Evidence, HeadKind, Layer, Linear, Mode, Pooling, Prepared, Reduction, class_activation_map,
    export_class_activation_map,
};

pub(super) const GAP_FC: HeadKind =
    HeadKind::pooled("gap-fc", "global average, linear", |_, _| Ok(Box::new(Global::Average)));

pub(super) const GMP_FC: HeadKind =
    HeadKind::pooled("gmp-fc", "global maximum, linear", |_, _| Ok(Box::new(Global::Maximum)));

/// The average or the maximum over all positions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Global {
    Average,
    Maximum,
}

impl Pooling for Global {
    fn name(&self) -> &str {
        match self {
            Self::Average => "GlobalAvgPool",
            Self::Maximum => "GlobalMaxPool",
        }
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        match self {
            Self::Average => ops::global_avg_pool(features),
            Self::Maximum => ops::global_max_pool(features),
        }
    }

    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let features = image_shape(features)?;
        Ok(Box::new(match self {
            Self::Average => Pool::global_avg(features)?,
            Self::Maximum => Pool::global_max(features)?,
        }))
    }

    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let reduction = match self {
            Self::Average => Reduction::Mean,
            Self::Maximum => Reduction::None,
        };
        let maps = class_activation_map(features, linear.weight())?;
        Ok(Evidence::new(maps, Some(linear.bias().clone()), reduction))
    }

    fn export(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        match self {
            Self::Average => GlobalAvgPool.export(features, graph, xs),
            Self::Maximum => GlobalMaxPool.export(features, graph, xs),
        }
    }

    fn export_class_maps(&self, linear: &Linear, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        export_class_activation_map(linear, features, graph, xs)
    }
}
