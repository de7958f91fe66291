use crate::{Error, Result};

/// Samples of two classes ranked by a score: how well the score separates the positive samples from the others.
///
/// Everything is exact with ties: samples of equal scores are above or below a threshold together. The areas are those of
/// scikit-learn, and do not change if the scores are mapped by an increasing function, such as logits to probabilities.
///
/// ```
/// use statistics::Ranking;
///
/// let ranking = Ranking::new(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true])?;
/// assert_eq!(ranking.auroc(), 0.75);
/// assert!((ranking.aupr() - 0.791_667).abs() < 1e-6);
/// # Ok::<(), statistics::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The cut below each distinct score, from the highest to the lowest.
    cuts: Vec<Cut>,
}

/// The samples whose scores are at least a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cut {
    threshold: f64,
    true_positives: f64,
    false_positives: f64,
}

impl Cut {
    fn precision(&self) -> f64 {
        self.true_positives / (self.true_positives + self.false_positives)
    }
}

impl Ranking {
    /// Ranks the samples by their scores. `positive` says of each sample whether it is positive.
    ///
    /// # Errors
    /// [`Error::Ranking`] if there is not one score for each label, a score is NaN, or there are no positive or no negative
    /// samples.
    pub fn new(scores: &[f64], positive: &[bool]) -> Result<Self> {
        let problem = |reason: String| Err(Error::Ranking(reason));
        if scores.len() != positive.len() {
            return problem(format!(
                "{} scores for {} labels; there must be one for each",
                scores.len(),
                positive.len()
            ));
        }
        if let Some(index) = scores.iter().position(|score| score.is_nan()) {
            return problem(format!("the score of sample {index} is NaN; all must be numbers"));
        }
        let positives = positive.iter().filter(|&&positive| positive).count();
        if positives == 0 || positives == positive.len() {
            return problem(format!("{positives} of {} samples are positive; both classes are needed", positive.len()));
        }
        let mut samples: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
        samples.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let mut cuts: Vec<Cut> = Vec::new();
        for (score, positive) in samples {
            let last = cuts.last().copied();
            let (true_positives, false_positives) =
                last.map_or((0., 0.), |cut| (cut.true_positives, cut.false_positives));
            let cut = Cut {
                threshold: score,
                true_positives: true_positives + f64::from(u8::from(positive)),
                false_positives: false_positives + f64::from(u8::from(!positive)),
            };
            // `==`, since 0 and −0 are one score.
            match cuts.last_mut().filter(|last| last.threshold == score) {
                Some(last) => *last = cut,
                None => cuts.push(cut),
            }
        }
        Ok(Self { cuts })
    }

    /// Returns the numbers of positive and negative samples.
    fn totals(&self) -> [f64; 2] {
        self.cuts.last().map_or([0.; 2], |all| [all.true_positives, all.false_positives])
    }

    /// Returns the area under the receiver operating characteristic, scikit-learn's `roc_auc_score`: the probability that a
    /// positive sample has a higher score than a negative one, where equal scores count one half.
    pub fn auroc(&self) -> f64 {
        let [positives, negatives] = self.totals();
        let (mut area, mut before) = (0., [0., 0.]);
        for cut in &self.cuts {
            area += (cut.false_positives - before[1]) * (cut.true_positives + before[0]) / 2.;
            before = [cut.true_positives, cut.false_positives];
        }
        area / (positives * negatives)
    }

    /// Returns the area under the curve of precision over recall by the trapezoidal rule, scikit-learn's `auc` of its
    /// `precision_recall_curve`, which begins with the precision 1 at the recall 0.
    ///
    /// The rule interpolates between the points, which is too optimistic if many scores are equal.
    pub fn aupr(&self) -> f64 {
        let (mut area, mut before) = (0., (0., 1.));
        for cut in &self.cuts {
            let now = (cut.true_positives, cut.precision());
            area += (now.0 - before.0) * f64::midpoint(now.1, before.1);
            before = now;
        }
        area / self.totals()[0]
    }

    /// Returns the threshold whose point of the receiver operating characteristic is closest to the corner without errors:
    /// what the authors of DeepConv-DTI (Lee et al. 2019) print as the optimal threshold (AUC). A sample counts as positive
    /// from it upwards. Of thresholds that are equally good it is the highest.
    ///
    /// The best of all scores is returned, like that of scikit-learn's `roc_curve(drop_intermediate=False)`.
    pub fn roc_threshold(&self) -> f64 {
        let [positives, negatives] = self.totals();
        self.threshold_of_least(self.cuts.iter(), |cut| {
            (cut.false_positives / negatives).powi(2) + (1. - cut.true_positives / positives).powi(2)
        })
    }

    /// Returns the threshold at which (1 − recall) / (1 − precision) is closest to the ratio of negative to positive
    /// samples: what the authors of DeepConv-DTI print as the optimal threshold (AUPR). Of thresholds that are equally good it
    /// is the lowest. One that separates the classes without errors is the best.
    pub fn precision_recall_threshold(&self) -> f64 {
        let [positives, negatives] = self.totals();
        self.threshold_of_least(self.cuts.iter().rev(), |cut| {
            let (missed, wrong) = (1. - cut.true_positives / positives, 1. - cut.precision());
            if missed == 0. && wrong == 0. { -1. } else { (missed / wrong - negatives / positives).abs() }
        })
    }

    /// Returns the threshold of the first of the cuts with the smallest value.
    fn threshold_of_least<'a>(&self, cuts: impl Iterator<Item = &'a Cut>, value: impl Fn(&Cut) -> f64) -> f64 {
        cuts.min_by(|a, b| value(a).total_cmp(&value(b))).map_or(f64::NAN, |cut| cut.threshold)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        scores: Vec<f64>,
        positive: Vec<bool>,
        auroc: f64,
        aupr: f64,
        roc_threshold: f64,
        precision_recall_threshold: f64,
    }

    #[test]
    fn areas_and_thresholds_are_those_of_scikit_learn() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../tests/fixtures/rankings.json")).unwrap();
        assert!(cases.len() > 10);
        for (i, case) in cases.iter().enumerate() {
            let ranking = Ranking::new(&case.scores, &case.positive).unwrap();
            for (name, got, expected) in [
                ("auroc", ranking.auroc(), case.auroc),
                ("aupr", ranking.aupr(), case.aupr),
                ("ROC threshold", ranking.roc_threshold(), case.roc_threshold),
                ("PR threshold", ranking.precision_recall_threshold(), case.precision_recall_threshold),
            ] {
                assert!((got - expected).abs() < 1e-12, "case {i}, {name}: {got} instead of {expected}");
            }
        }
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_the_right_order() {
        let scores = [3., 1., 1., 2., 2., 0., 3., 1.];
        let positive = [true, false, true, true, false, false, false, true];
        let (mut share, mut pairs) = (0., 0.);
        for (a, _) in scores.iter().zip(positive).filter(|(_, positive)| *positive) {
            for (b, _) in scores.iter().zip(positive).filter(|(_, positive)| !*positive) {
                share += if a > b {
                    1.
                } else if a == b {
                    0.5
                } else {
                    0.
                };
                pairs += 1.;
            }
        }
        assert_eq!(Ranking::new(&scores, &positive).unwrap().auroc(), share / pairs);
    }

    #[test]
    fn zeros_of_both_signs_are_one_score_and_infinite_scores_are_ranked() {
        assert_eq!(Ranking::new(&[0., -0.], &[true, false]).unwrap().auroc(), 0.5);
        assert_eq!(Ranking::new(&[f64::INFINITY, f64::NEG_INFINITY], &[true, false]).unwrap().auroc(), 1.);
    }

    #[test]
    fn what_cannot_be_ranked_is_an_error() {
        let error = |scores: &[f64], positive: &[bool]| Ranking::new(scores, positive).unwrap_err().to_string();
        assert!(error(&[1.], &[true, false]).contains("1 scores for 2 labels"));
        assert!(error(&[1., f64::NAN], &[true, false]).contains("sample 1 is NaN"));
        assert!(error(&[1., 2.], &[true, true]).contains("2 of 2"));
        assert!(error(&[], &[]).contains("both classes"));
    }
}
