use serde::Deserialize;

use crate::{
    bounds::Bounds,
    comparison::{By, Comparison},
    effect::{Certainty, Compared},
    error::{Error, Result},
    limits::LEVEL,
};

/// A sentence, and what would have to be seen if it were true: an entry of `[[claims]]` in a suite's file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The sentence, which has no influence on the verdict.
    pub claim: String,
    /// The name of the statement that the claim tests, in a list of statements that several suites test.
    pub statement: Option<String>,
    /// The predictions that follow from it.
    pub tests: Vec<Test>,
}

/// A prediction of a claim.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The name of the comparison.
    pub comparison: String,
    /// The condition, such as `two-conv, 100 images`.
    #[serde(default)]
    pub when: String,
    /// The expected result of the comparison.
    pub expect: Expect,
    /// True if the result is known before anything is measured.
    #[serde(default)]
    pub by_construction: bool,
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
    /// The one-sided p-value of the hypothesis that the true value is not as expected: inferiority by the bound or more, for
    /// example, or, for `Within`, the larger of two one-sided tests.
    pub(crate) fn p(self, bounds: &Bounds, by: By) -> f64 {
        let none = by.no_difference();
        match self {
            Self::Greater => bounds.p_greater(none),
            Self::Less => bounds.p_less(none),
            Self::AtLeast(bound) => bounds.p_greater(bound),
            Self::AtMost(bound) => bounds.p_less(bound),
            Self::Within(margin) => bounds.p_greater(none - margin).max(bounds.p_less(none + margin)),
        }
    }

    /// Returns whether all values from `low` to `high` are as expected, and whether none is.
    fn fits(self, by: By, [low, high]: [f64; 2]) -> (bool, bool) {
        let none = by.no_difference();
        let is_exact = low == high;
        match self {
            Self::Greater => (low > none, high < none || is_exact && low <= none),
            Self::Less => (high < none, low > none || is_exact && high >= none),
            Self::AtLeast(bound) => (low >= bound, high < bound),
            Self::AtMost(bound) => (high <= bound, low > bound),
            Self::Within(margin) => {
                let [least, most] = [none - margin, none + margin];
                (low >= least && high <= most, high < least || low > most)
            }
        }
    }
}

/// The outcome of the test of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It came out as expected: the whole interval lies there, and the adjusted p-value is small.
    Yes,
    /// The whole interval, or the count, lies elsewhere.
    No,
    /// The interval allows both, or there is none.
    NotShown,
    /// It is as expected, and was known beforehand: it was counted, or follows from how the networks are built.
    ByConstruction,
    /// It was not tested, because it has too few seeds or is not primary.
    Descriptive,
}

/// A test of a claim with its verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// The test.
    pub test: &'a Test,
    /// The comparison that it refers to.
    pub compared: &'a Compared<'a>,
    /// The outcome of the test.
    pub verdict: Verdict,
}

/// Judges all tests of claims by what was compared. A test whose comparison has no result is left out.
pub fn judge<'a>(claims: &'a [Claim], compared: &'a [Compared<'a>]) -> Vec<Judged<'a>> {
    let tests = claims.iter().flat_map(|claim| claim.tests.iter().map(move |test| (claim, test)));
    let judged = |(claim, test): (&'a Claim, &'a Test)| {
        let compared = compared.iter().find(|compared| compared.comparison.name == test.comparison)?;
        Some(Judged { claim, test, compared, verdict: compared.verdict(test)? })
    };
    tests.filter_map(judged).collect()
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
            let Some(comparison) = comparisons.iter().find(|comparison| comparison.name == test.comparison) else {
                return error(format!("no comparison is called `{}`", test.comparison));
            };
            if test.by_construction && comparison.primary {
                return error(format!(
                    "`{}` is primary, but what holds by construction is not tested: remove `primary` or `by_construction`",
                    test.comparison
                ));
            }
        }
        Ok(())
    }
}

impl Compared<'_> {
    /// Judges by the interval, and a primary comparison by its adjusted p-value too; `None` without a result.
    fn verdict(&self, test: &Test) -> Option<Verdict> {
        let effect = self.effect.as_ref().ok()?;
        let is_known = test.by_construction || effect.certainty == Certainty::Exact;
        if self.is_descriptive() && !is_known {
            return Some(Verdict::Descriptive);
        }
        let ends = match &effect.certainty {
            Certainty::Exact => [effect.value; 2],
            Certainty::Within(bounds) => [bounds.low, bounds.high],
            Certainty::Unknown(_) => return Some(Verdict::NotShown),
        };
        Some(match test.expect.fits(self.comparison.by, ends) {
            // One-sided, so that without adjustment it says the same as the interval.
            (true, _) if self.holm.is_some_and(|p| p >= LEVEL) => Verdict::NotShown,
            (true, _) if is_known => Verdict::ByConstruction,
            (true, _) => Verdict::Yes,
            (_, true) => Verdict::No,
            _ => Verdict::NotShown,
        })
    }
}
