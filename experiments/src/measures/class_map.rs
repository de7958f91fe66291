//! A head's evidence for the true class, interpolated to the pixels of the image.

use anyhow::{Context, Result};
use candle_core::Tensor;
use datasets::{Images, Order};
use layers::{Layer, Mode, ReceptiveField};
use training::predictions;

use super::network::TrainedNetwork;
use crate::timing::INFER_BATCH;

/// A network's evidence for the true class of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassMap {
    /// The evidence at each pixel, in row-major order; negative evidence is set to 0.
    pub values: Vec<f32>,
    /// The pixel (y, x) at the centre of the receptive field with the most evidence; `None` without evidence.
    pub peak: Option<[usize; 2]>,
    /// True if the network classified the image right.
    pub correct: bool,
}

/// Calls `visit` with each image's map, in the order of the images.
///
/// # Errors
/// A backbone whose positions all see the whole image.
pub fn for_each(network: &TrainedNetwork, images: &Images, mut visit: impl FnMut(ClassMap)) -> Result<()> {
    let description = network.model.backbone.describe(&images.shape)?;
    let fields = description
        .receptive_field
        .context("the backbone has no class maps: every position of its features sees the whole image")?;
    let layout = Layout::new(&fields, &description.output[1..], &images.shape[1..]);
    for batch in images.batches(INFER_BATCH, Order::Sequential, network.standardization, network.device) {
        let (xs, labels) = batch?;
        let features = network.model.forward_features(&xs, Mode::Inference)?;
        let predictions = predictions(&network.model.head.forward(&features, Mode::Inference)?)?;
        let maps = of_classes(&network.model.head.class_maps(&features)?.maps.detach(), &labels)?;
        let correct = predictions.into_iter().zip(labels.to_vec1()?).map(|(class, label)| class == Some(label));
        for (map, correct) in maps.to_vec2()?.iter().zip(correct) {
            visit(layout.interpolate(map, correct));
        }
    }
    Ok(())
}

/// Collects the maps of a few images.
pub fn class_maps(network: &TrainedNetwork, images: &Images) -> Result<Vec<ClassMap>> {
    let mut maps = Vec::with_capacity(images.len());
    for_each(network, images, |map| maps.push(map))?;
    Ok(maps)
}

/// Selects from maps (N, K, …) the one of each image's class (N). The result has the shape (N, positions).
fn of_classes(maps: &Tensor, classes: &Tensor) -> candle_core::Result<Tensor> {
    let maps = maps.flatten_from(2)?;
    let (n, _, positions) = maps.dims3()?;
    let index = classes.reshape((n, 1, 1))?.broadcast_as((n, 1, positions))?.contiguous()?;
    maps.contiguous()?.gather(&index, 1)?.squeeze(1)
}

/// The places of the features' positions on the image.
struct Layout {
    fields: [ReceptiveField; 2],
    /// For each row and for each column of the image, the two nearest positions and the weight of the second.
    axes: [Vec<(usize, usize, f32)>; 2],
    /// The width of the features.
    width: usize,
}

impl Layout {
    /// Prepares bilinear interpolation between the centres of the receptive fields. Pixels beyond the outermost centres
    /// take the value at the nearest one.
    fn new(fields: &[ReceptiveField], features: &[usize], image: &[usize]) -> Self {
        let axis = |i: usize| {
            let last = features[i] - 1;
            let weights = (0..image[i]).map(|pixel| {
                let position = (pixel as f64 - fields[i].start) / fields[i].jump as f64;
                let position = position.clamp(0., last as f64);
                let before = position as usize;
                (before, (before + 1).min(last), (position - before as f64) as f32)
            });
            weights.collect()
        };
        Self { fields: [fields[0], fields[1]], axes: [axis(0), axis(1)], width: features[1] }
    }

    fn interpolate(&self, map: &[f32], correct: bool) -> ClassMap {
        let map: Vec<f32> = map.iter().map(|value| value.max(0.)).collect();
        let [rows, columns] = &self.axes;
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for &(above, below, down) in rows {
            let (above, below) = (&map[above * self.width..], &map[below * self.width..]);
            values.extend(columns.iter().map(|&(left, right, across)| {
                let along = |row: &[f32]| row[left] + (row[right] - row[left]) * across;
                let (above, below) = (along(above), along(below));
                above + (below - above) * down
            }));
        }
        ClassMap { values, peak: self.peak(&map), correct }
    }

    fn peak(&self, map: &[f32]) -> Option<[usize; 2]> {
        // The first of equal maxima.
        let best = (0..map.len()).reduce(|best, i| if map[i] > map[best] { i } else { best })?;
        let pixel = |axis: usize, i: usize| {
            let last = self.axes[axis].len() - 1;
            (self.fields[axis].centre(i).round().max(0.) as usize).min(last)
        };
        (map[best] > 0.).then(|| [pixel(0, best / self.width), pixel(1, best % self.width)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn layout(start: f64, jump: usize, features: [usize; 2], image: [usize; 2]) -> Layout {
        Layout::new(&[ReceptiveField { size: 3, jump, start }; 2], &features, &image)
    }

    #[test]
    fn values_lie_at_the_centres_are_interpolated_between_and_kept_beyond() {
        let map = layout(1., 2, [1, 3], [2, 7]).interpolate(&[4., 0., -6.], true);
        let row = [4., 4., 2., 0., 0., 0., 0.]; // centres at 1, 3 and 5
        assert_eq!(map, ClassMap { values: row.repeat(2), peak: Some([1, 1]), correct: true });
    }

    #[test]
    fn centres_between_two_pixels_share_their_value_out() {
        let map = layout(0.5, 2, [2, 2], [4, 4]).interpolate(&[0., 8., 8., 16.], false);
        let rows = [[0., 2., 6., 8.], [2., 4., 8., 10.], [6., 8., 12., 14.], [8., 10., 14., 16.]];
        assert_eq!((map.values, map.peak), (rows.concat(), Some([3, 3])));
    }

    #[test]
    fn without_evidence_for_the_class_there_is_no_peak() {
        let map = layout(1., 2, [2, 2], [5, 5]).interpolate(&[-1., 0., -2., 0.], true);
        assert_eq!((map.values, map.peak), (vec![0.; 25], None));
    }

    #[test]
    fn a_peak_beyond_the_border_is_drawn_to_it() {
        assert_eq!(layout(-1., 4, [3, 1], [6, 6]).interpolate(&[2., 1., 0.], true).peak, Some([0, 0]));
        assert_eq!(layout(-1., 4, [3, 1], [6, 6]).interpolate(&[0., 1., 2.], true).peak, Some([5, 0]));
    }

    #[test]
    fn each_image_gets_the_map_of_its_class() {
        let maps = Tensor::arange(0f32, 24., &Device::Cpu).unwrap().reshape((2, 3, 2, 2)).unwrap();
        let classes = Tensor::new(&[2u32, 0], &Device::Cpu).unwrap();
        let chosen: Vec<Vec<f32>> = of_classes(&maps, &classes).unwrap().to_vec2().unwrap();
        assert_eq!(chosen, [[8., 9., 10., 11.], [12., 13., 14., 15.]]);
    }
}
