use crate::pixel_map::PixelMap;

/// The number of bins for scores from 0 to 1.
const BINS: usize = 1000;

/// Counts the pixels of many images by their score, separately for objects and background. It gives the area under the
/// pixel precision–recall curve (PxAP, Choe et al. 2020).
#[derive(Clone, Debug)]
pub struct PixelHistogram {
    object: Vec<u64>,
    background: Vec<u64>,
}

impl PixelHistogram {
    /// Starts without pixels.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { object: vec![0; BINS], background: vec![0; BINS] }
    }

    /// Adds an image, whose evidence is scaled to 0…1. `object` lists the positions of the object's pixels.
    pub fn add(&mut self, map: &PixelMap, object: &[u32]) {
        let ((low, high), values) = (map.range(), &map.values);
        let scale = if high > low { BINS as f32 / (high - low) } else { 0. };
        let bin = |value: f32| (((value - low) * scale) as usize).min(BINS - 1);
        values.iter().for_each(|&value| self.background[bin(value)] += 1);
        for value in object.iter().map(|&position| values[position as usize]) {
            self.background[bin(value)] -= 1;
            self.object[bin(value)] += 1;
        }
    }

    /// The sum over thresholds, from the highest score down, of the precision times the increase in recall; `None` without
    /// any pixel of an object.
    pub fn average_precision(&self) -> Option<f64> {
        let total: u64 = self.object.iter().sum();
        let (mut found, mut wrong, mut sum) = (0, 0, 0.);
        for (&object, &background) in self.object.iter().zip(&self.background).rev() {
            found += object;
            wrong += background;
            sum += object as f64 * found as f64 / (found + wrong).max(1) as f64;
        }
        (total > 0).then(|| sum / total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: &[f32]) -> PixelMap {
        PixelMap { values: values.to_vec(), width: values.len(), peak: None }
    }

    #[test]
    fn average_precision_pools_the_pixels_of_all_images() {
        let mut histogram = PixelHistogram::new();
        assert_eq!(histogram.average_precision(), None);
        // Scaled to 0…1: object 1, 0.5; background 0.8, 0. Then twice as bright: object 1; background 0.
        histogram.add(&map(&[11., 6., 9., 1.]), &[0, 1]);
        histogram.add(&map(&[20., 0.]), &[0]);
        // Found from the top: two of two, then a wrong one, then the third of four.
        assert!((histogram.average_precision().unwrap() - (2. + 3. / 4.) / 3.).abs() < 1e-12);
    }

    #[test]
    fn average_precision_is_what_numpy_gives() {
        // numpy: scores as i**2 % 97 / 96, object where i % 3 == 0; precision and recall at each distinct score.
        let values: Vec<f32> = (0..200).map(|i| (i * i % 97) as f32 / 96.).collect();
        let object: Vec<u32> = (0..200).filter(|i| i % 3 == 0).collect();
        let mut histogram = PixelHistogram::new();
        histogram.add(&map(&values), &object);
        assert!((histogram.average_precision().unwrap() - 0.347_220_406_329_823_6).abs() < 1e-9);
    }

    #[test]
    fn a_map_without_contrast_tells_as_much_as_chance() {
        let mut histogram = PixelHistogram::new();
        histogram.add(&map(&[3.; 8]), &[1, 2]);
        assert_eq!(histogram.average_precision(), Some(0.25));
    }
}
