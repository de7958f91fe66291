use serde::{Deserialize, Serialize};

/// Counts how often images of each class were classified as each class.
///
/// ```
/// use records::Confusion;
///
/// let classes = ["cat", "dog"].map(String::from);
/// let confusion = Confusion::new(&classes, [(0, Some(0)), (0, Some(1)), (1, Some(1))]).unwrap();
/// assert_eq!(confusion.counts, [[1, 1], [0, 1]]);
/// assert_eq!(confusion.recall(0), Some(0.5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// One row per true class with one count per predicted class. If the network's output contained a NaN for some image,
    /// every row has one more count, of the images that no class was predicted for.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// The largest number of classes. With more, the counts would fill most of a record.
    pub const MAX_CLASSES: usize = 1000;

    /// Counts pairs of the true and the predicted class; `None` as a prediction stands for an output with a NaN. Returns
    /// `None` for more than [`MAX_CLASSES`](Self::MAX_CLASSES) classes.
    ///
    /// # Panics
    /// Panics if a number is not that of a class.
    pub fn new(classes: &[String], pairs: impl IntoIterator<Item = (u32, Option<u32>)>) -> Option<Self> {
        let size = classes.len();
        if size > Self::MAX_CLASSES {
            return None;
        }
        let mut counts = vec![vec![0; size + 1]; size];
        for (label, prediction) in pairs {
            let column = prediction.map_or(size, |class| class as usize);
            assert!(column < size || prediction.is_none(), "class {column} was predicted, but there are {size}");
            counts[label as usize][column] += 1;
        }
        if counts.iter().all(|row| row[size] == 0) {
            counts.iter_mut().for_each(|row| row.truncate(size));
        }
        Some(Self { classes: classes.to_vec(), counts })
    }

    /// Adds the counts of several networks; `None` if there are none, or if they do not have the same classes.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut all = all.into_iter();
        let mut sum = all.next()?.clone();
        for other in all {
            if other.classes != sum.classes {
                return None;
            }
            for (row, others) in sum.counts.iter_mut().zip(&other.counts) {
                row.resize(row.len().max(others.len()), 0);
                row.iter_mut().zip(others).for_each(|(count, other)| *count += other);
            }
        }
        // Only some of the networks may have predicted no class for an image.
        let columns = sum.counts.iter().map(Vec::len).max().unwrap_or_default();
        sum.counts.iter_mut().for_each(|row| row.resize(columns, 0));
        Some(sum)
    }

    /// The number of images of a class.
    pub fn images(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// The share of all images that were classified correctly; `None` without images.
    pub fn accuracy(&self) -> Option<f64> {
        let classes = 0..self.classes.len();
        share(
            classes.clone().map(|class| self.counts[class][class]).sum(),
            classes.map(|class| self.images(class)).sum(),
        )
    }

    /// The share of a class's images that were classified correctly, which is the class's accuracy; `None` without images.
    pub fn recall(&self, class: usize) -> Option<f64> {
        share(self.counts[class][class], self.images(class))
    }

    /// The share of the images classified as a class that belong to it; `None` if there are none.
    pub fn precision(&self, class: usize) -> Option<f64> {
        share(self.counts[class][class], self.counts.iter().map(|row| row[class]).sum())
    }

    /// The mistakes: true class, predicted class and their number, the most frequent first.
    pub fn mistakes(&self) -> Vec<(usize, usize, u64)> {
        let size = self.classes.len();
        let cells = (0..size).flat_map(|class| (0..size).map(move |predicted| (class, predicted)));
        let counted = cells.map(|(class, predicted)| (class, predicted, self.counts[class][predicted]));
        let mut mistakes: Vec<_> =
            counted.filter(|(class, predicted, count)| class != predicted && *count > 0).collect();
        mistakes.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
        mistakes
    }
}

fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Vec<String> {
        ["a", "b", "c"].map(String::from).to_vec()
    }

    fn counted(pairs: &[(u32, Option<u32>)]) -> Confusion {
        Confusion::new(&classes(), pairs.iter().copied()).unwrap()
    }

    #[test]
    fn recall_precision_and_accuracy_have_their_known_values() {
        // sklearn.metrics of [0, 0, 0, 1, 1] and [0, 2, 0, 0, 1]: recall 2/3, 1/2, 0/0; precision 2/3, 1, 0; accuracy 3/5
        let confusion = counted(&[(0, Some(0)), (0, Some(2)), (0, Some(0)), (1, Some(0)), (1, Some(1))]);
        assert_eq!(confusion.counts, [[2, 0, 1], [1, 1, 0], [0, 0, 0]]);
        assert_eq!([0, 1, 2].map(|class| confusion.recall(class)), [Some(2. / 3.), Some(0.5), None]);
        assert_eq!([0, 1, 2].map(|class| confusion.precision(class)), [Some(2. / 3.), Some(1.), Some(0.)]);
        assert_eq!(confusion.accuracy(), Some(0.6));
        assert_eq!(counted(&[]).accuracy(), None);
    }

    #[test]
    fn the_most_frequent_mistake_comes_first_and_hits_are_none() {
        let confusion = counted(&[(2, Some(0)), (1, Some(2)), (2, Some(2)), (1, Some(2)), (0, None)]);
        assert_eq!(confusion.mistakes(), [(1, 2, 2), (2, 0, 1)]);
    }

    #[test]
    fn an_image_without_a_prediction_counts_as_a_miss_also_in_a_sum() {
        let (all, none) = (counted(&[(0, Some(0)), (1, Some(1))]), counted(&[(0, None)]));
        assert_eq!(none.counts, [[0, 0, 0, 1], [0; 4], [0; 4]]);
        for sum in [Confusion::sum([&all, &none]), Confusion::sum([&none, &all])].map(Option::unwrap) {
            assert_eq!(sum.counts, [[1, 0, 0, 1], [0, 1, 0, 0], [0; 4]]);
            assert_eq!((sum.recall(0), sum.precision(0)), (Some(0.5), Some(1.)));
        }
    }

    #[test]
    fn networks_of_other_classes_are_not_added_and_too_many_classes_are_not_counted() {
        let other = Confusion::new(&["a".into()], [(0, Some(0))]).unwrap();
        assert_eq!(Confusion::sum([&counted(&[]), &other]), None);
        assert_eq!(Confusion::sum([]), None);
        let many: Vec<String> = (0..=Confusion::MAX_CLASSES).map(|class| class.to_string()).collect();
        assert_eq!(Confusion::new(&many, []), None);
    }
}
