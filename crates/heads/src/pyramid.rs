use crate::evidence::gradient_times_activation;
use crate::pool_linear::Pooling;
use crate::{Evidence, Reduction};
use candle_core::{Result, Tensor, bail};
use layers::{Layer, Linear, Mode};

/// The grids of the pyramid.
const LEVELS: [usize; 3] = [1, 2, 4];

/// Spatial pyramid pooling (He et al. 2014): the maxima over grids of 1×1, 2×2 and 4×4, so the length is fixed whatever
/// the size. A single spatial axis is an image of height 1, whose rows of bins are equal.
#[derive(Debug, Clone, Copy)]
pub struct Pyramid;

impl Pooling for Pyramid {
    fn kind(&self) -> &'static str {
        "SpatialPyramidPool"
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        let features = match features.rank() {
            3 => features.unsqueeze(2)?,
            4 => features.clone(),
            _ => bail!("spatial pyramid pooling takes (N, C, L) or (N, C, H, W), not {:?}", features.dims()),
        };
        let level = |n: usize| ops::adaptive_max_pool2d(&features, [n, n])?.flatten_from(1);
        Tensor::cat(&LEVELS.into_iter().map(level).collect::<Result<Vec<_>>>()?, 1)
    }

    fn outputs(&self, channels: usize) -> usize {
        channels * LEVELS.iter().map(|n| n * n).sum::<usize>()
    }

    /// Each maximum comes from one position, so gradient × activation puts its contribution there.
    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let classes = linear.bias().dim(0)?;
        let logits = |f: &Tensor| linear.forward(&self.pool(f, Mode::Eval)?, Mode::Eval);
        let maps = gradient_times_activation(features, classes, logits)?;
        Ok(Evidence { maps, bias: Some(linear.bias().clone()), reduction: Reduction::Sum })
    }
}
