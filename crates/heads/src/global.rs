use crate::pool_linear::Pooling;
use candle_core::{Result, Tensor};
use layers::{Mode, Prepared, image_shape};
use ops::prepared::Pool;

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

    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let pool = match self {
            Global::Average => Pool::global_avg(image_shape(features)?)?,
            Global::Maximum => Pool::global_max(image_shape(features)?)?,
        };
        Ok(Box::new(pool))
    }

    fn class_maps(&self, features: &Tensor, linear: &layers::Linear) -> Result<crate::Evidence> {
        let reduction = match self {
            Global::Average => crate::Reduction::Mean,
            Global::Maximum => crate::Reduction::None,
        };
        crate::pool_linear::activation_maps(features, linear.weight(), linear, reduction)
    }
}
