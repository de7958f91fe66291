use datasets::Object;

use crate::{
    boxes::{iou, largest_components},
    pixel_map::PixelMap,
    score::MIN_OVERLAP,
};

/// The number of thresholds that are tried, from 0.00 to 0.99 of a map's range.
const STEPS: u8 = 100;

/// Finds the threshold at which the most boxes are right (MaxBoxAcc, Choe et al. 2020), on other images than those that it is
/// used on.
#[derive(Clone, Debug)]
pub struct ThresholdSearch {
    /// The thresholds in descending order, each with the number of boxes that are right.
    right: Vec<(f64, usize)>,
}

impl ThresholdSearch {
    /// Starts without images.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { right: (0..STEPS).rev().map(|step| (f64::from(step) / f64::from(STEPS), 0)).collect() }
    }

    /// Counts at which thresholds the box around the largest component overlaps with the object's.
    pub fn add(&mut self, map: &PixelMap, object: &Object) {
        let thresholds: Vec<f32> = self.right.iter().map(|&(fraction, _)| map.of_range(fraction)).collect();
        let boxes = largest_components(&map.values, map.width, &thresholds);
        for ((_, right), found) in self.right.iter_mut().zip(boxes) {
            *right += usize::from(found.is_some_and(|found| iou(found, object.bbox) >= MIN_OVERLAP));
        }
    }

    /// The best threshold as a fraction of a map's range; of several, the highest.
    pub fn best(&self) -> f64 {
        let best = self.right.iter().copied().reduce(|best, other| if other.1 > best.1 { other } else { best });
        best.map_or(0., |(fraction, _)| fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_threshold_with_the_most_right_boxes_is_chosen() {
        // From a half of the range on, the box is one pixel of four; below, it is the whole object.
        let map = PixelMap { values: vec![1., 0.5, 0.1, 0.5, 0.5, 0., 0., 0., 0.], width: 3, peak: None };
        let object = Object { bbox: [0, 0, 2, 2], pixels: vec![0, 1, 3, 4] };
        let mut search = ThresholdSearch::new();
        assert_eq!(search.best(), 0.99);
        search.add(&map, &object);
        assert_eq!(search.best(), 0.49);
    }
}
