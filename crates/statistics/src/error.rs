use crate::limits::MOST_PRIMARY;

/// An error in a suite's comparisons or claims, or in what a statistic is computed from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two comparisons have this name.
    #[error("comparison `{0}` is defined twice; every comparison needs its own name")]
    Duplicate(String),
    /// More comparisons are primary than are tested in one suite.
    #[error("{0} primary comparisons: at most {MOST_PRIMARY} are tested in one suite")]
    TooManyPrimary(usize),
    /// A comparison asks for something that cannot be compared.
    #[error("comparison `{name}`: {reason}")]
    Comparison {
        /// The name of the comparison.
        name: String,
        /// The reason, and what is possible.
        reason: String,
    },
    /// Samples that cannot be ranked by their scores.
    #[error("the samples cannot be ranked: {0}")]
    Ranking(String),
    /// A claim cannot be tested.
    #[error("claim `{claim}`: {reason}")]
    Claim {
        /// The sentence of the claim.
        claim: String,
        /// The reason, and what is possible.
        reason: String,
    },
}

/// The result of a check or comparison.
pub type Result<T, E = Error> = std::result::Result<T, E>;
