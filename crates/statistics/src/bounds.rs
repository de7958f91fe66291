use crate::{interval::Interval, paired::Paired, ratio::Ratio};

/// The 95 % confidence interval of an effect, and the tests that agree with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The lower end.
    pub low: f64,
    /// The upper end; infinite for a ratio to what may be 0.
    pub high: f64,
    /// The sources of variance that the interval counts.
    pub over: Over,
    law: Law,
}

/// The sources of variance that an interval counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Seeds and test images.
    SeedsAndImages,
    /// Seeds.
    Seeds,
    /// The rounds of a measurement of speed, in which both sides took turns.
    Rounds,
}

/// How the interval follows from the values.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Law {
    Difference(Interval),
    Ratio(Ratio),
    /// The logarithm of a ratio.
    Logarithm(Interval),
}

impl Bounds {
    /// The mean difference of two sides.
    pub(crate) fn of_difference(paired: Paired, over: Over) -> (f64, Self) {
        let interval = paired.contrast([1., -1.]);
        (interval.value, Self { low: interval.low, high: interval.high, over, law: Law::Difference(interval) })
    }

    /// The ratio of the means of two sides; `None` if the second is 0.
    pub(crate) fn of_ratio(paired: Paired, over: Over) -> Option<(f64, Self)> {
        let ratio = Ratio::new(paired)?;
        Some((ratio.value, Self { low: ratio.low, high: ratio.high, over, law: Law::Ratio(ratio) }))
    }

    /// The geometric mean of ratios, one per round, by Student's t over their logarithms.
    pub(crate) fn of_rounds(ratios: Interval) -> (f64, Self) {
        let [value, low, high] = [ratios.value, ratios.low, ratios.high].map(f64::exp);
        (value, Self { low, high, over: Over::Rounds, law: Law::Logarithm(ratios) })
    }

    /// The one-sided p-value of the hypothesis that the true value is at most `bound`: small if it is shown to be greater.
    pub fn p_greater(&self, bound: f64) -> f64 {
        match &self.law {
            Law::Difference(interval) => interval.p_greater(bound),
            Law::Ratio(ratio) => ratio.p_greater(bound),
            Law::Logarithm(interval) => interval.p_greater(bound.max(0.).ln()),
        }
    }

    /// The one-sided p-value of the hypothesis that the true value is at least `bound`: small if it is shown to be less.
    pub fn p_less(&self, bound: f64) -> f64 {
        match &self.law {
            Law::Difference(interval) => interval.p_less(bound),
            Law::Ratio(ratio) => ratio.p_less(bound),
            Law::Logarithm(interval) => interval.p_less(bound.max(0.).ln()),
        }
    }
}
