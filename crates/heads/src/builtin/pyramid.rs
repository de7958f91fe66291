use candle_core::{Result, Tensor, bail};
use layers::{
    Flatten,
    graph::{Attribute, Graph, Value},
    image_shape,
};
use ops::prepared::Pool;

use crate::{Evidence, HeadKind, Layer, Linear, Mode, Pooling, Prepared, Reduction, pooling::contributions};

pub(super) const SPP_FC: HeadKind =
    HeadKind::pooled("spp-fc", "spatial pyramid of maxima (1, 2, 4), linear", |_, _| Ok(Box::new(Pyramid)));

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

    fn export(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let xs = if features.len() == 2 { as_image(graph, xs)? } else { xs.clone() };
        let shape = graph.node("Shape", &[&xs], &[]);
        let mut levels = Vec::new();
        for bins in LEVELS {
            let rows = export_bins(graph, &xs, &shape, 2, bins as i64)?;
            let grid = export_bins(graph, &rows, &shape, 3, bins as i64)?;
            levels.push(Flatten.export(features, graph, &grid)?);
        }
        let levels: Vec<&Value> = levels.iter().collect();
        Ok(graph.node("Concat", &levels, &[("axis", 1.into())]))
    }
}

/// Exports the view of sequences (N, C, L) as images of height 1.
fn as_image(graph: &mut Graph, xs: &Value) -> Result<Value> {
    let axis = graph.ints(&[2])?;
    Ok(graph.node("Unsqueeze", &[xs, &axis], &[]))
}

/// Exports the maxima of bins along an axis of size s, whose number may be chosen when the graph is run: bin i of n
/// covers ⌊i·s/n⌋ to ⌈(i+1)·s/n⌉ = ⌊((i+1)·s + n − 1)/n⌋.
fn export_bins(graph: &mut Graph, xs: &Value, shape: &Value, axis: i64, bins: i64) -> Result<Value> {
    let (axes, count, rounding) = (graph.ints(&[axis])?, graph.ints(&[bins])?, graph.ints(&[bins - 1])?);
    let size = graph.node("Gather", &[shape, &axes], &[]);
    let mut maxima = Vec::new();
    for bin in 0..bins {
        let (index, next) = (graph.ints(&[bin])?, graph.ints(&[bin + 1])?);
        let start = graph.node("Mul", &[&size, &index], &[]);
        let start = graph.node("Div", &[&start, &count], &[]);
        let end = graph.node("Mul", &[&size, &next], &[]);
        let end = graph.node("Add", &[&end, &rounding], &[]);
        let end = graph.node("Div", &[&end, &count], &[]);
        let values = graph.node("Slice", &[xs, &start, &end, &axes], &[]);
        maxima.push(graph.node("ReduceMax", &[&values], &[("axes", Attribute::Ints(vec![axis]))]));
    }
    let maxima: Vec<&Value> = maxima.iter().collect();
    Ok(graph.node("Concat", &maxima, &[("axis", Attribute::Int(axis))]))
}
