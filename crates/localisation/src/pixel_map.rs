use layers::ReceptiveField;

/// A map of evidence at the pixels of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelMap {
    /// The evidence at each pixel, in row-major order; negative evidence is set to 0.
    pub values: Vec<f32>,
    /// The number of pixels in a row.
    pub width: usize,
    /// The pixel (y, x) at the centre of the receptive field with the most evidence; `None` without evidence.
    pub peak: Option<[usize; 2]>,
}

impl PixelMap {
    /// The minimum and the maximum.
    pub fn range(&self) -> (f32, f32) {
        let first = (f32::INFINITY, f32::NEG_INFINITY);
        self.values.iter().fold(first, |(low, high), &value| (low.min(value), high.max(value)))
    }

    /// The value at a fraction of the map's range: 0 is the minimum, 1 the maximum.
    pub(crate) fn of_range(&self, fraction: f64) -> f32 {
        let (low, high) = self.range();
        low + fraction as f32 * (high - low)
    }
}

/// Interpolates maps of one value per position of the features to the pixels of the image.
pub struct Upsampling {
    fields: [ReceptiveField; 2],
    /// For each row and for each column of the image, the two nearest positions and the weight of the second.
    axes: [Vec<(usize, usize, f32)>; 2],
    /// The width of the features.
    width: usize,
}

impl Upsampling {
    /// Prepares bilinear interpolation between the centres of the receptive `fields`, of which there is one per axis. Pixels
    /// beyond the outermost centres take the value at the nearest one. `features` and `image` are heights and widths.
    ///
    /// # Panics
    /// Fewer than two axes, and features without a position.
    pub fn new(fields: &[ReceptiveField], features: &[usize], image: &[usize]) -> Self {
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

    /// Interpolates a map with one value per position, in row-major order. Negative values are set to 0.
    pub fn apply(&self, map: &[f32]) -> PixelMap {
        let map: Vec<f32> = map.iter().map(|value| value.max(0.)).collect();
        PixelMap { values: self.interpolate(&map), width: self.axes[1].len(), peak: self.peak(&map) }
    }

    /// Interpolates a map with one value per position to one value per pixel, both in row-major order.
    pub fn interpolate(&self, map: &[f32]) -> Vec<f32> {
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
        values
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

    fn layout(start: f64, jump: usize, features: [usize; 2], image: [usize; 2]) -> Upsampling {
        Upsampling::new(&[ReceptiveField { size: 3, jump, start }; 2], &features, &image)
    }

    #[test]
    fn values_lie_at_the_centres_are_interpolated_between_and_kept_beyond() {
        let map = layout(1., 2, [1, 3], [2, 7]).apply(&[4., 0., -6.]);
        let row = [4., 4., 2., 0., 0., 0., 0.]; // centres at 1, 3 and 5
        assert_eq!(map, PixelMap { values: row.repeat(2), width: 7, peak: Some([1, 1]) });
    }

    #[test]
    fn centres_between_two_pixels_share_their_value_out() {
        let map = layout(0.5, 2, [2, 2], [4, 4]).apply(&[0., 8., 8., 16.]);
        let rows = [[0., 2., 6., 8.], [2., 4., 8., 10.], [6., 8., 12., 14.], [8., 10., 14., 16.]];
        assert_eq!((map.values, map.peak), (rows.concat(), Some([3, 3])));
    }

    #[test]
    fn without_evidence_for_the_class_there_is_no_peak() {
        let map = layout(1., 2, [2, 2], [5, 5]).apply(&[-1., 0., -2., 0.]);
        assert_eq!((map.values, map.peak), (vec![0.; 25], None));
    }

    #[test]
    fn a_peak_beyond_the_border_is_drawn_to_it() {
        assert_eq!(layout(-1., 4, [3, 1], [6, 6]).apply(&[2., 1., 0.]).peak, Some([0, 0]));
        assert_eq!(layout(-1., 4, [3, 1], [6, 6]).apply(&[0., 1., 2.]).peak, Some([5, 0]));
    }
}
