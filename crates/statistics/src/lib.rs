#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bounds;
mod claim;
mod compare;
mod comparison;
mod effect;
mod error;
mod holm;
mod interval;
mod limits;
mod paired;
mod ranking;
mod ratio;
#[cfg(test)]
mod tests;
mod values;

pub use bounds::{Bounds, Over};
pub use claim::{Claim, Expect, Judged, Test, Verdict, judge};
pub use compare::compare;
pub use comparison::{By, Comparison, Quantity, Selector};
pub use effect::{Certainty, Compared, Effect, NoInterval, Unmeasured};
pub use error::{Error, Result};
pub use holm::holm;
pub use interval::{Interval, paired_t, wilson};
pub use limits::{LEVEL, MOST_PRIMARY, SEEDS_FOR_A_TEST};
pub use paired::{Hits, Paired};
pub use ranking::Ranking;
pub use ratio::Ratio;

/// Checks what can be checked of a suite's comparisons and claims without its records.
///
/// # Errors
/// Names a comparison or claim that is defined twice, refers to nothing or asks for what cannot be compared, a primary
/// comparison without exactly one test, and too many primary comparisons.
pub fn check(comparisons: &[Comparison], claims: &[Claim]) -> Result<()> {
    for (i, comparison) in comparisons.iter().enumerate() {
        if comparisons[..i].iter().any(|other| other.name == comparison.name) {
            return Err(Error::Duplicate(comparison.name.clone()));
        }
        comparison.check()?;
    }
    let primary = comparisons.iter().filter(|comparison| comparison.primary).count();
    if primary > MOST_PRIMARY {
        return Err(Error::TooManyPrimary(primary));
    }
    claims.iter().try_for_each(|claim| claim.check(comparisons))?;
    for comparison in comparisons.iter().filter(|comparison| comparison.primary) {
        let tests = claims.iter().flat_map(|claim| &claim.tests).filter(|test| test.comparison == comparison.name);
        let problem = match tests.count() {
            0 => "no claim says what is expected of it, so there is no hypothesis to test",
            1 => continue,
            _ => "several tests refer to it, but its p-value is that of one: give each test a comparison of its own",
        };
        return Err(comparison.error(format!("it is primary, but {problem}")));
    }
    Ok(())
}
