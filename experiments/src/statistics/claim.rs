//! What is said of the things compared, and whether the figures bear it out: `[[claims]]`.

use std::fmt;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::{Compared, comparison::By, figure::Certainty};

/// A sentence and what would have to be seen if it were true.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub claim: String,
    pub tests: Vec<ClaimTest>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimTest {
    /// Its name.
    pub comparison: String,
    /// As it follows "holds": `on two-conv`.
    #[serde(default)]
    pub when: String,
    pub expect: Expect,
}

/// Of a less b, or of a by b; bounds in the units of the table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Than 0, or than a ratio of 1.
    Greater,
    Less,
    AtLeast(f64),
    AtMost(f64),
    /// No farther from 0, or from a ratio of 1.
    Within(f64),
}

/// Whether a test of a claim came out as expected; the better the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Holds,
    DoesNotHold,
    /// What is known allows both.
    NotShown,
    NotMeasured,
}

impl Claim {
    pub fn check(&self) -> Result<()> {
        let claim = &self.claim;
        ensure!(!self.tests.is_empty(), "claim `{claim}`: no tests");
        let named = self.tests.len() == 1 || self.tests.iter().all(|test| !test.when.is_empty());
        ensure!(named, "claim `{claim}`: of several tests each says its `when`");
        let finite = |test: &ClaimTest| match test.expect {
            Expect::AtLeast(bound) | Expect::AtMost(bound) => bound.is_finite(),
            Expect::Within(margin) => margin.is_finite() && margin >= 0.,
            Expect::Greater | Expect::Less => true,
        };
        ensure!(self.tests.iter().all(finite), "claim `{claim}`: a bound is a number, a margin none below 0");
        Ok(())
    }

    /// Which of the tests hold. Where they differ, each with its `when`.
    pub(super) fn verdict(&self, compared: &[Compared]) -> String {
        let outcomes: Vec<(Outcome, bool, &str)> = self
            .tests
            .iter()
            .filter_map(|test| {
                let compared = find(compared, &test.comparison)?;
                let outcome = compared.outcome(test.expect);
                let descriptive = outcome != Outcome::NotMeasured && compared.descriptive();
                Some((outcome, descriptive, test.when.as_str()))
            })
            .collect();
        let mut kinds: Vec<(Outcome, bool)> =
            outcomes.iter().map(|&(outcome, described, _)| (outcome, described)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let words = |&(outcome, descriptive): &(Outcome, bool)| {
            let mut words = outcome.to_string();
            if descriptive {
                words += " (descriptive)";
            }
            if kinds.len() > 1 {
                let fits = |&&(o, d, _): &&(Outcome, bool, &str)| (o, d) == (outcome, descriptive);
                words += &format!(
                    " {}",
                    outcomes.iter().filter(fits).map(|(_, _, when)| *when).collect::<Vec<_>>().join(", ")
                );
            }
            words
        };
        kinds.iter().map(words).collect::<Vec<_>>().join("; ")
    }

    /// The figures that the verdict follows from.
    pub(super) fn figures(&self, compared: &[Compared]) -> String {
        let figure = |test: &ClaimTest| {
            let compared = find(compared, &test.comparison)?;
            let when = if test.when.is_empty() { String::new() } else { format!("{}: ", test.when) };
            Some(format!("{when}{} (expected: {})", compared.words(), test.expect))
        };
        self.tests.iter().filter_map(figure).collect::<Vec<_>>().join("; ")
    }
}

fn find<'a, 'b>(compared: &'b [Compared<'a>], name: &str) -> Option<&'b Compared<'a>> {
    compared.iter().find(|compared| compared.comparison.name == name)
}

impl Compared<'_> {
    /// By the interval; that a primary comparison shows a difference, by the adjusted p-value too.
    pub fn outcome(&self, expect: Expect) -> Outcome {
        let Ok(figure) = &self.figure else { return Outcome::NotMeasured };
        let none = if self.comparison.by == By::Ratio { 1. } else { 0. };
        let (low, high) = match &figure.certainty {
            Certainty::Exact => (figure.value, figure.value),
            Certainty::Timed { low, high } => (*low, *high),
            Certainty::Images(interval) | Certainty::Seeds(interval) => (interval.low, interval.high),
            Certainty::Unknown(_) => return Outcome::NotShown,
        };
        if matches!(expect, Expect::Greater | Expect::Less) && self.holm.is_some_and(|p| p >= 0.05) {
            return Outcome::NotShown;
        }
        let exact = figure.certainty == Certainty::Exact;
        let (holds, fails) = match expect {
            Expect::Greater => (low > none, high < none || exact),
            Expect::Less => (high < none, low > none || exact),
            Expect::AtLeast(bound) => (low >= bound, high < bound),
            Expect::AtMost(bound) => (high <= bound, low > bound),
            Expect::Within(margin) => {
                (low >= none - margin && high <= none + margin, high < none - margin || low > none + margin)
            }
        };
        match (holds, fails) {
            (true, _) => Outcome::Holds,
            (_, true) => Outcome::DoesNotHold,
            _ => Outcome::NotShown,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::NotShown => "not shown",
            Self::NotMeasured => "not measured",
        })
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let minus = |bound: &f64| bound.to_string().replace('-', "−");
        match self {
            Self::Greater => f.write_str("greater"),
            Self::Less => f.write_str("less"),
            Self::AtLeast(bound) => write!(f, "at least {}", minus(bound)),
            Self::AtMost(bound) => write!(f, "at most {}", minus(bound)),
            Self::Within(margin) => write!(f, "within ±{margin}"),
        }
    }
}
