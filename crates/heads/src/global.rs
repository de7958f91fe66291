use crate::pool_linear::Pooling;
use candle_core::{Result, Tensor};
use layers::Mode;

/// Global average and global maximum.
#[derive(Debug, Clone, Copy)]
pub enum Global {
    Average,
    Maximum,
}

impl Pooling for Global {
    fn kind(&self) -> &'static str {
        match self {
            Global::Average => "GlobalAvgPool",
            Global::Maximum => "GlobalMaxPool",
        }
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        match self {
            Global::Average => ops::global_avg_pool(features),
            Global::Maximum => ops::global_max_pool(features),
        }
    }

    fn class_maps(&self, features: &Tensor, linear: &layers::Linear) -> Result<crate::Evidence> {
        let reduction = match self {
            Global::Average => crate::Reduction::Mean,
            Global::Maximum => crate::Reduction::None,
        };
        crate::pool_linear::activation_maps(features, linear.weight(), linear, reduction)
    }
}
