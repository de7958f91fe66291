use crate::{bounds::Bounds, comparison::Comparison};

/// A comparison with its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared<'a> {
    /// The comparison whose effect this is.
    pub comparison: &'a Comparison,
    /// The result, or why there is none.
    pub effect: Result<Effect, Unmeasured>,
    /// The one-sided p-value of the hypothesis that the expectation of its claim contradicts; `None` without a claim, and if
    /// the seeds are too few for a test.
    pub p: Option<f64>,
    /// The p-value, adjusted for all primary comparisons of the suite; `None` for the others.
    pub holm: Option<f64>,
}

/// The result of a comparison. Accuracies and measures are in per cent and their differences in points.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The mean of a, and of b.
    pub means: [f64; 2],
    /// Their standard deviations over the seeds; `None` for counts, timings and a single seed.
    pub sds: [Option<f64>; 2],
    /// a − b, or a / b.
    pub value: f64,
    /// How well the value is known.
    pub certainty: Certainty,
    /// The number of seeds that both have and that finished; 0 for counts and timings.
    pub seeds: usize,
    /// The number of runs of either that diverged.
    pub diverged: usize,
}

/// How well an effect is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Certainty {
    /// The value was counted and is exact.
    Exact,
    /// The value varies within these bounds.
    Within(Bounds),
    /// The value varies, and there is no interval.
    Unknown(NoInterval),
}

/// Why an effect has no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoInterval {
    /// There is one seed only.
    OneSeed,
    /// The two sides were tested on different data sets.
    OtherImages,
    /// The two sides were tested on different numbers of images.
    OtherNumberOfImages,
    /// There are no test images.
    NoImages,
    /// The two sides were not timed in the same rounds, or the record does not tell them.
    NoCommonRounds,
}

/// Why a comparison has no result. A side is named as its [`Selector`](crate::Selector) is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Unmeasured {
    /// No record is selected.
    NoRecords(String),
    /// The ratio to this side is not defined, because it is zero.
    Zero(String),
    /// The speed of a side was not measured.
    NoSpeed,
    /// The runs come from machines that differ, so their speeds cannot be compared.
    OtherMachine,
    /// There is no seed for which both sides finished.
    NoCommonSeed,
    /// There is no seed for which the quantity is defined on both sides.
    Undefined,
    /// A measure was not taken.
    NoMeasure {
        /// The name of the measure.
        measure: String,
        /// The side that lacks it.
        of: String,
    },
    /// A measure cannot be taken.
    Impossible {
        /// The name of the measure.
        measure: String,
        /// The side that cannot be measured.
        of: String,
    },
}

impl Compared<'_> {
    /// The interval of the effect; `None` for counts, and where there is none.
    pub fn bounds(&self) -> Option<Bounds> {
        match self.effect.as_ref().ok()?.certainty {
            Certainty::Within(bounds) => Some(bounds),
            _ => None,
        }
    }

    /// Returns whether the effect varies with the seed and was not tested.
    pub fn is_descriptive(&self) -> bool {
        self.effect.as_ref().is_ok_and(|effect| effect.seeds > 0) && self.holm.is_none()
    }
}
