use candle_core::{Result, Tensor, bail};
use layers::image_shape;
use ops::prepared::Pool;

use crate::{Evidence, HeadKind, Linear, Mode, PoolLinear, Pooling, Prepared, Reduction, pooling::contributions};

pub(super) const SPP_FC: HeadKind =
    HeadKind::new("spp-fc", "spatial pyramid of maxima (1, 2, 4), linear", |features, classes, vb| {
        Ok(Box::new(PoolLinear::new(Pyramid, features[0], classes, vb)?))
    });

/// The grids of the pyramid: 1×1, 2×2 and 4×4 bins.
const LEVELS: [usize; 3] = [1, 2, 4];

/// Spatial pyramid pooling (He et al. 2014): the maximum of each bin of several grids, so that the output has the same
/// length for every input size.
///
/// Features with a single spatial axis are treated as an image of height 1, so all rows of bins are equal.
#[derive(Debug, Clone, Copy)]
struct Pyramid;

impl Pooling for Pyramid {
    fn name(&self) -> &str {
        "SpatialPyramidPool"
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        let features = match features.rank() {
            3 => features.unsqueeze(2)?,
            4 => features.clone(),
            _ => bail!("spatial pyramid pooling takes (N, C, L) or (N, C, H, W), not {:?}", features.dims()),
        };
        ops::spatial_pyramid_pool(&features, &LEVELS)
    }

    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::spatial_pyramid(&LEVELS, image_shape(features)?)?))
    }

    fn outputs(&self, channels: usize) -> usize {
        channels * LEVELS.iter().map(|n| n * n).sum::<usize>()
    }

    /// Each maximum comes from one position, so gradient × activation is exactly the contribution of that position.
    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let maps = contributions(self, features, linear)?;
        Ok(Evidence::new(maps, Some(linear.bias().clone()), Reduction::Sum))
    }
}
