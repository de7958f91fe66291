use datasets::Object;

use crate::{
    boxes::{Box2d, area, contains, iou, largest_components},
    pixel_map::PixelMap,
};

/// The overlap (IoU) at which a box counts as right.
pub const MIN_OVERLAP: f64 = 0.5;
/// The threshold of class activation maps as a fraction of the map's maximum (Zhou et al. 2016).
const CAM_THRESHOLD: f32 = 0.2;

/// How well one map shows where its object is. A map without evidence is a miss, with overlap 0 and energy at chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// True if the peak lies in the object's box (Zhang et al. 2018, without tolerance).
    pub pointing: bool,
    /// True if the peak lies on a pixel of the object.
    pub pointing_mask: bool,
    /// The share of the map's sum that lies in the box (Wang et al. 2020).
    pub energy: f64,
    /// The overlap with the box around the largest component above 20 % of the maximum (Zhou et al. 2016).
    pub cam_iou: f64,
    /// The overlap with the box around the largest component above the given threshold (Choe et al. 2020).
    pub box_iou: f64,
    /// The share of the image that the object's box covers: the expected result of pointing at random.
    pub chance: f64,
    /// The share of the image that the object's pixels cover.
    pub chance_mask: f64,
}

impl Score {
    /// Compares a map with its object. `threshold` is a fraction of the map's range, for [`Score::box_iou`].
    pub fn new(map: &PixelMap, object: &Object, threshold: f64) -> Self {
        let PixelMap { values, width, peak } = map;
        let on_object = |[y, x]: [usize; 2]| object.pixels.binary_search(&((y * width + x) as u32)).is_ok();
        let overlap_above = |threshold| {
            let found = largest_components(values, *width, &[threshold]).pop().flatten();
            found.map_or(0., |found| iou(found, object.bbox))
        };
        Self {
            pointing: peak.is_some_and(|peak| contains(object.bbox, peak)),
            pointing_mask: peak.is_some_and(on_object),
            energy: energy_inside(values, *width, object.bbox),
            cam_iou: overlap_above(map.range().1 * CAM_THRESHOLD),
            box_iou: overlap_above(map.of_range(threshold)),
            chance: area(object.bbox) as f64 / values.len() as f64,
            chance_mask: object.pixels.len() as f64 / values.len() as f64,
        }
    }
}

/// The share of the map's sum that lies in the box: the energy-based pointing game of Wang et al. (2020). For an empty map,
/// it is the box's share of the image, as by chance.
fn energy_inside(values: &[f32], width: usize, bbox: Box2d) -> f64 {
    let [y0, x0, y1, x1] = bbox;
    let sum = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>();
    let total = sum(values);
    if total <= 0. {
        return area(bbox) as f64 / values.len() as f64;
    }
    (y0..y1).map(|y| sum(&values[y * width + x0..y * width + x1])).sum::<f64>() / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_the_share_of_the_sum_in_the_box() {
        let values = [1., 0., 2., 3., 4., 0.]; // 2 rows of 3
        assert_eq!(energy_inside(&values, 3, [0, 1, 2, 3]), 0.6);
        assert_eq!(energy_inside(&values, 3, [0, 0, 2, 3]), 1.);
        assert_eq!(energy_inside(&[0.; 6], 3, [0, 1, 2, 3]), 4. / 6.);
    }

    #[test]
    fn a_map_on_the_object_scores_in_full_and_a_map_without_evidence_scores_as_chance() {
        let object = Object { bbox: [0, 1, 2, 3], pixels: vec![1, 5] };
        let map = |values: [f32; 6], peak| PixelMap { values: values.into(), width: 3, peak };
        let on = Score::new(&map([0., 1., 1., 0., 1., 1.], Some([0, 1])), &object, 0.5);
        assert_eq!((on.pointing, on.pointing_mask, on.energy, on.cam_iou, on.box_iou), (true, true, 1., 1., 1.));
        let none = Score::new(&map([0.; 6], None), &object, 0.5);
        assert_eq!((none.pointing, none.energy, none.cam_iou, none.box_iou), (false, none.chance, 0., 0.));
        assert_eq!((none.chance, none.chance_mask), (4. / 6., 2. / 6.));
    }
}
