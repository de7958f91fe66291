use serde::Deserialize;

use crate::{
    comparison::{By, Comparison},
    effect::{Certainty, Compared},
    error::{Error, Result},
    interval::Interval,
    limits::LEVEL,
};

/// A sentence, and what would have to be seen if it were true: an entry of `[[claims]]` in a suite's file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The sentence, which has no influence on the verdict.
    pub claim: String,
    /// The predictions that follow from it.
    pub tests: Vec<Test>,
}

/// A prediction of a claim.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The name of the comparison.
    pub comparison: String,
    /// The condition, as it follows "holds": `on two-conv`.
    #[serde(default)]
    pub when: String,
    /// The expected result of the comparison.
    pub expect: Expect,
}

/// The expected result of a comparison, a − b or a / b, in the unit of its table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// More than no difference: more than 0, or than a ratio of 1.
    Greater,
    /// Less than no difference.
    Less,
    /// At least this much.
    AtLeast(f64),
    /// At most this much.
    AtMost(f64),
    /// At most this far from no difference, in either direction.
    Within(f64),
}

impl Expect {
    /// The one-sided p-value of the hypothesis that a mean difference with this interval is not as expected: inferiority by
    /// the bound or more, for example, or, for `Within`, the larger of two one-sided tests.
    pub(crate) fn p(self, interval: &Interval) -> f64 {
        match self {
            Self::Greater => interval.p_greater(0.),
            Self::Less => interval.p_less(0.),
            Self::AtLeast(bound) => interval.p_greater(bound),
            Self::AtMost(bound) => interval.p_less(bound),
            Self::Within(margin) => interval.p_greater(-margin).max(interval.p_less(margin)),
        }
    }
}

/// Whether a test of a claim came out as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestOutcome {
    /// The whole interval lies where the test expects the value.
    Holds,
    /// The whole interval lies elsewhere.
    DoesNotHold,
    /// The interval allows both.
    NotShown,
    /// There is no value.
    NotMeasured,
}

/// A claim with the outcomes of its tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// Its tests, judged.
    pub tests: Vec<Judged<'a>>,
}

/// A test of a claim with its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged<'a> {
    /// The test.
    pub test: &'a Test,
    /// The comparison that it refers to.
    pub compared: &'a Compared<'a>,
    /// Whether it came out as expected.
    pub outcome: TestOutcome,
    /// True if the effect varies with the seed and was not tested.
    pub is_descriptive: bool,
}

/// Judges claims by what was compared; a test whose comparison is missing is left out.
pub fn judge<'a>(claims: &'a [Claim], compared: &'a [Compared<'a>]) -> Vec<Verdict<'a>> {
    let judged = |test: &'a Test| {
        let compared = compared.iter().find(|compared| compared.comparison.name == test.comparison)?;
        let outcome = compared.outcome(test.expect);
        Some(Judged { test, compared, outcome, is_descriptive: compared.is_descriptive() })
    };
    claims.iter().map(|claim| Verdict { claim, tests: claim.tests.iter().filter_map(judged).collect() }).collect()
}

impl Claim {
    /// Checks what can be checked without records.
    pub(crate) fn check(&self, comparisons: &[Comparison]) -> Result<()> {
        let error = |reason: String| Err(Error::Claim { claim: self.claim.clone(), reason });
        if self.tests.is_empty() {
            return error("it has no tests; at least one is needed".into());
        }
        if self.tests.len() > 1 && self.tests.iter().any(|test| test.when.is_empty()) {
            return error("it has several tests, each of which needs a `when`".into());
        }
        for test in &self.tests {
            let is_possible = match test.expect {
                Expect::AtLeast(bound) | Expect::AtMost(bound) => bound.is_finite(),
                Expect::Within(margin) => margin.is_finite() && margin >= 0.,
                Expect::Greater | Expect::Less => true,
            };
            if !is_possible {
                return error(format!("{:?}: a bound must be a number, and a margin at least 0", test.expect));
            }
            if comparisons.iter().all(|comparison| comparison.name != test.comparison) {
                return error(format!("no comparison is called `{}`", test.comparison));
            }
        }
        Ok(())
    }
}

impl Compared<'_> {
    /// Judges by the interval, and what a primary comparison should show by the adjusted p-value too.
    pub fn outcome(&self, expect: Expect) -> TestOutcome {
        let Ok(effect) = &self.effect else { return TestOutcome::NotMeasured };
        let none = if self.comparison.by == By::Ratio { 1. } else { 0. };
        let (low, high) = match &effect.certainty {
            Certainty::Exact => (effect.value, effect.value),
            Certainty::Timed { low, high } => (*low, *high),
            Certainty::Images(interval) | Certainty::Seeds(interval) => (interval.low, interval.high),
            Certainty::Unknown(_) => return TestOutcome::NotShown,
        };
        let is_exact = effect.certainty == Certainty::Exact;
        let (holds, fails) = match expect {
            Expect::Greater => (low > none, high < none || is_exact),
            Expect::Less => (high < none, low > none || is_exact),
            Expect::AtLeast(bound) => (low >= bound, high < bound),
            Expect::AtMost(bound) => (high <= bound, low > bound),
            Expect::Within(margin) => {
                (low >= none - margin && high <= none + margin, high < none - margin || low > none + margin)
            }
        };
        match (holds, fails) {
            // One-sided, so that without adjustment it says the same as the interval.
            (true, _) if self.holm.is_some_and(|p| p >= LEVEL) => TestOutcome::NotShown,
            (true, _) => TestOutcome::Holds,
            (_, true) => TestOutcome::DoesNotHold,
            _ => TestOutcome::NotShown,
        }
    }
}
