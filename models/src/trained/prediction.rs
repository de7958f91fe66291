/// The probabilities of the classes for one image.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// All classes, the most probable first. Classes of equal probability keep the order of the logits.
    pub classes: Vec<ClassProbability>,
}

/// A class and its probability.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClassProbability {
    /// The position of the class in the logits.
    pub index: usize,
    /// The name of the class.
    pub class: String,
    /// The probability, from 0 to 1, by the softmax of the logits.
    pub probability: f32,
}

impl Prediction {
    /// Pairs the names of the classes with their probabilities.
    pub(super) fn new(classes: &[String], probabilities: Vec<f32>) -> Self {
        let named = classes.iter().zip(probabilities).enumerate();
        let mut classes: Vec<_> = named
            .map(|(index, (class, probability))| ClassProbability { index, class: class.clone(), probability })
            .collect();
        classes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Self { classes }
    }
}
