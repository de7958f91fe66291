//! Comparisons that a suite names beforehand, with what the seeds and test images leave open, and the claims that they
//! test. Verdicts follow from the figures, whatever the sentence they judge says.

mod bootstrap;
mod claim;
mod comparison;
mod figure;
mod holm;
mod interval;
mod page;
#[cfg(test)]
mod tests;

pub use claim::Claim;
pub use comparison::Comparison;

use anyhow::{Result, ensure};

use crate::record::Record;
use figure::{Certainty, Figure};
use interval::Interval;

/// Fewer describe and prove nothing.
const SEEDS_FOR_A_TEST: usize = 10;
const MOST_PRIMARY: usize = 3;

/// A claim, judged: a line of the index of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub claim: String,
    pub verdict: String,
    /// What it follows from.
    pub figure: String,
}

/// A comparison, worked out.
struct Compared<'a> {
    comparison: &'a Comparison,
    /// Or why it was not measured.
    figure: Result<Figure, String>,
    /// The p-value adjusted for all primary comparisons; of the others none.
    holm: Option<f64>,
}

impl Compared<'_> {
    /// What the seeds leave open; none of what is counted or timed.
    fn interval(&self) -> Option<Interval> {
        match self.figure.as_ref().ok()?.certainty {
            Certainty::Images(interval) | Certainty::Seeds(interval) => Some(interval),
            _ => None,
        }
    }

    /// None where the seeds are too few for one.
    fn p(&self) -> Option<f64> {
        let seeds = self.figure.as_ref().ok()?.seeds;
        self.interval().filter(|_| seeds >= SEEDS_FOR_A_TEST).map(|interval| interval.p)
    }

    /// Whether it varies with the seed and was not tested.
    fn descriptive(&self) -> bool {
        let varies = |figure: &Figure| !matches!(figure.certainty, Certainty::Exact | Certainty::Timed { .. });
        self.figure.as_ref().is_ok_and(varies) && self.holm.is_none()
    }
}

/// What a suite's comparisons and claims must be, whatever the records.
///
/// # Errors
/// Names that are there twice or nowhere, more than three primary comparisons, and what can't be compared as asked.
pub fn check(comparisons: &[Comparison], claims: &[Claim]) -> Result<()> {
    for (i, comparison) in comparisons.iter().enumerate() {
        let (name, before) = (&comparison.name, &comparisons[..i]);
        ensure!(before.iter().all(|other| other.name != *name), "comparison `{name}` is there twice");
        comparison.check()?;
    }
    let primary = comparisons.iter().filter(|comparison| comparison.primary).count();
    ensure!(primary <= MOST_PRIMARY, "{primary} primary comparisons: at most {MOST_PRIMARY} are tested in one suite");
    for claim in claims {
        claim.check()?;
        for test in &claim.tests {
            let known = comparisons.iter().any(|comparison| comparison.name == test.comparison);
            ensure!(known, "claim `{}`: no comparison is called `{}`", claim.claim, test.comparison);
        }
    }
    Ok(())
}

/// The comparisons, and the claims with their verdicts, as sections of a suite's page; empty where there are none.
/// `records` are those of the suite's table: each variant in one configuration.
///
/// # Errors
/// See [`check`]; and where a comparison fits several configurations, or several values of a measure.
pub fn section(comparisons: &[Comparison], claims: &[Claim], records: &[Record]) -> Result<String> {
    check(comparisons, claims)?;
    let compared = compare(comparisons, records)?;
    Ok(page::comparisons(&compared) + &page::claims(&judge(claims, &compared)))
}

/// The claims' verdicts, in their order.
///
/// # Errors
/// As [`section`].
pub fn verdicts(claims: &[Claim], comparisons: &[Comparison], records: &[Record]) -> Result<Vec<Verdict>> {
    check(comparisons, claims)?;
    Ok(judge(claims, &compare(comparisons, records)?))
}

fn judge(claims: &[Claim], compared: &[Compared]) -> Vec<Verdict> {
    let verdict = |claim: &Claim| Verdict {
        claim: claim.claim.clone(),
        verdict: claim.verdict(compared),
        figure: claim.figures(compared),
    };
    claims.iter().map(verdict).collect()
}

fn compare<'a>(comparisons: &'a [Comparison], records: &[Record]) -> Result<Vec<Compared<'a>>> {
    let mut compared = Vec::new();
    for comparison in comparisons {
        compared.push(Compared { comparison, figure: comparison.figure(records)?, holm: None });
    }
    let tested: Vec<(usize, f64)> = (compared.iter().enumerate())
        .filter(|(_, compared)| compared.comparison.primary)
        .filter_map(|(i, compared)| Some((i, compared.p()?)))
        .collect();
    let adjusted = holm::holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    tested.iter().zip(adjusted).for_each(|(&(i, _), p)| compared[i].holm = Some(p));
    Ok(compared)
}
