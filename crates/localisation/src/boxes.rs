/// A box `[y0, x0, y1, x1]`, which excludes row `y1` and column `x1`.
pub type Box2d = [usize; 4];

/// The number of pixels in the box.
pub fn area([y0, x0, y1, x1]: Box2d) -> usize {
    y1.saturating_sub(y0) * x1.saturating_sub(x0)
}

/// Returns whether the pixel (y, x) lies in the box.
pub fn contains([y0, x0, y1, x1]: Box2d, [y, x]: [usize; 2]) -> bool {
    (y0..y1).contains(&y) && (x0..x1).contains(&x)
}

/// The intersection over union of two boxes.
pub fn iou(a: Box2d, b: Box2d) -> f64 {
    let overlap = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    overlap as f64 / (area(a) + area(b) - overlap).max(1) as f64
}

/// The box around the largest connected component of the pixels above each of the `thresholds`, which must be in descending
/// order. Pixels are connected at sides and corners. The box is `None` if no pixel is above the threshold; of several
/// components of the largest size, it is that of the first to reach the size.
///
/// All thresholds are handled in one pass: pixels are added in descending order, and each joins its neighbours'
/// components.
pub fn largest_components(values: &[f32], width: usize, thresholds: &[f32]) -> Vec<Option<Box2d>> {
    let lowest = thresholds.last().copied().unwrap_or(f32::INFINITY);
    let mut order: Vec<usize> = (0..values.len()).filter(|&pixel| values[pixel] > lowest).collect();
    order.sort_unstable_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let mut components = Components::new(values.len(), width);
    let mut next = order.into_iter().peekable();
    let mut boxes = Vec::with_capacity(thresholds.len());
    for &threshold in thresholds {
        while let Some(pixel) = next.next_if(|&pixel| values[pixel] > threshold) {
            components.add(pixel);
        }
        boxes.push(components.largest.map(|root| components.boxes[root]));
    }
    boxes
}

/// Disjoint sets of pixels. Each pixel points towards the root of its set, which has the set's area and box.
struct Components {
    width: usize,
    /// `None` for pixels that have not been added.
    parents: Vec<Option<usize>>,
    areas: Vec<usize>,
    boxes: Vec<Box2d>,
    largest: Option<usize>,
}

impl Components {
    fn new(pixels: usize, width: usize) -> Self {
        Self { width, parents: vec![None; pixels], areas: vec![1; pixels], boxes: vec![[0; 4]; pixels], largest: None }
    }

    fn add(&mut self, pixel: usize) {
        let (y, x) = (pixel / self.width, pixel % self.width);
        self.parents[pixel] = Some(pixel);
        self.boxes[pixel] = [y, x, y + 1, x + 1];
        let mut root = pixel;
        let last = self.parents.len() / self.width - 1;
        for y in y.saturating_sub(1)..=(y + 1).min(last) {
            for x in x.saturating_sub(1)..=(x + 1).min(self.width - 1) {
                if let Some(other) = self.root(y * self.width + x) {
                    root = self.join(root, other);
                }
            }
        }
        if self.largest.is_none_or(|largest| self.areas[root] > self.areas[largest]) {
            self.largest = Some(root);
        }
    }

    /// The root of a pixel's set; `None` if the pixel has not been added. Halves the path to it.
    fn root(&mut self, mut pixel: usize) -> Option<usize> {
        let mut parent = self.parents[pixel]?;
        while parent != pixel {
            let grandparent = self.parents[parent]?;
            self.parents[pixel] = Some(grandparent);
            (pixel, parent) = (parent, grandparent);
        }
        Some(pixel)
    }

    /// Joins two sets, given by their roots, and returns the root of the result.
    fn join(&mut self, a: usize, b: usize) -> usize {
        if a == b {
            return a;
        }
        let (root, child) = if self.areas[a] >= self.areas[b] { (a, b) } else { (b, a) };
        self.parents[child] = Some(root);
        self.areas[root] += self.areas[child];
        let (r, c) = (self.boxes[root], self.boxes[child]);
        self.boxes[root] = [r[0].min(c[0]), r[1].min(c[1]), r[2].max(c[2]), r[3].max(c[3])];
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intersection_over_union_of_boxes() {
        assert_eq!(iou([0, 0, 2, 2], [0, 0, 2, 2]), 1.);
        assert_eq!(iou([0, 0, 2, 2], [1, 1, 3, 3]), 1. / 7.);
        assert_eq!(iou([0, 0, 2, 2], [2, 0, 4, 2]), 0.); // they touch
        assert_eq!(iou([0, 0, 4, 4], [1, 1, 3, 2]), 2. / 16.);
        assert_eq!(iou([0, 0, 2, 2], [3, 3, 3, 3]), 0.);
    }

    #[test]
    fn a_point_on_the_first_row_is_in_the_box_and_one_on_the_row_behind_is_not() {
        assert!(contains([1, 2, 3, 4], [1, 2]) && contains([1, 2, 3, 4], [2, 3]));
        assert!(!contains([1, 2, 3, 4], [3, 2]) && !contains([1, 2, 3, 4], [1, 4]));
    }

    #[test]
    fn the_largest_component_changes_with_the_threshold() {
        #[rustfmt::skip]
        let values = [
            9., 0., 0., 3., 3.,
            0., 8., 0., 0., 3.,
            0., 0., 0., 0., 3.,
            2., 0., 0., 0., 0.,
        ];
        let boxes = largest_components(&values, 5, &[9., 8., 2.5, 1., -1.]);
        let all = Some([0, 0, 4, 5]);
        // Corners connect the 9 and the 8; the four 3s are more.
        assert_eq!(boxes, [None, Some([0, 0, 1, 1]), Some([0, 3, 3, 5]), Some([0, 3, 3, 5]), all]);
    }

    /// The components of the pixels above the threshold, by flood filling.
    fn components(values: &[f32], width: usize, threshold: f32) -> Vec<Vec<usize>> {
        let mut left: Vec<usize> = (0..values.len()).filter(|&pixel| values[pixel] > threshold).collect();
        let mut components = Vec::new();
        while let Some(seed) = left.pop() {
            let mut component = vec![seed];
            let mut seen = 0;
            while seen < component.len() {
                let at = component[seen];
                seen += 1;
                let near = |&other: &usize| {
                    (other / width).abs_diff(at / width) <= 1 && (other % width).abs_diff(at % width) <= 1
                };
                component.extend(left.extract_if(.., |other| near(other)));
            }
            components.push(component);
        }
        components
    }

    proptest! {
        #[test]
        fn the_box_is_that_of_a_largest_component_at_every_threshold(
            values in prop::collection::vec(0u8..8, 42), width in prop::sample::select(vec![6usize, 7, 14]),
        ) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let thresholds = [7., 5., 4., 3., 2., 1., 0., -1.];
            for (&threshold, found) in thresholds.iter().zip(largest_components(&values, width, &thresholds)) {
                let components = components(&values, width, threshold);
                let most = components.iter().map(Vec::len).max();
                let largest = components.iter().filter(|component| Some(component.len()) == most);
                let boxes: Vec<Box2d> = largest.map(|component| {
                    let (ys, xs) = (component.iter().map(|at| at / width), component.iter().map(|at| at % width));
                    [ys.clone().min().unwrap(), xs.clone().min().unwrap(), ys.max().unwrap() + 1, xs.max().unwrap() + 1]
                }).collect();
                prop_assert!(found.map_or(boxes.is_empty(), |found| boxes.contains(&found)), "{:?} {:?}", found, boxes);
            }
        }
    }
}
