//! What is said about pooling, in the order of an introduction to it.

/// The statements that claims of suites test, by the name that a claim gives as its `statement`, and in words.
pub const STATEMENTS: &[(&str, &str)] = &[
    ("S1", "Without pooling, a deeper network grows, slows down and over-fits"),
    ("S2", "Local pooling loses little information"),
    ("S3", "A smaller map speeds up all that follows"),
    ("S4", "Local pooling counters over-fitting"),
    ("S5", "For larger images and deeper networks, local pooling alone is not enough"),
    ("S6", "Flattening loses where things are"),
    ("S7", "Global pooling classifies without losing where things are"),
    ("S8", "With a channel per class, global pooling gives a value per class, whatever the size of the map"),
    ("S9", "Global pooling saves much of the fully connected layer's work"),
    ("S10", "Global max pooling suits sequences of any length (DeepConv-DTI)"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Outline, all};

    /// The most letters of which two lines of a cell consist, in a table of six columns.
    const SENTENCE: usize = 115;
    const CONDITION: usize = 65;

    #[test]
    fn statements_and_what_they_are_tested_as_fit_into_two_lines_of_a_cell() {
        assert!(STATEMENTS.iter().all(|(_, text)| text.chars().count() <= SENTENCE));
        let outlines: Vec<Outline> = all().unwrap().iter().map(|suite| Outline::parse(suite.text()).unwrap()).collect();
        let claims = outlines.iter().flat_map(|outline| &outline.claims);
        let tested: Vec<_> = claims.filter(|claim| claim.statement.is_some()).collect();
        assert!(tested.len() >= STATEMENTS.len() - 1, "{} claims test a statement", tested.len());
        for claim in tested {
            assert!(claim.claim.chars().count() <= SENTENCE, "{}", claim.claim);
            for test in &claim.tests {
                assert!(test.when.chars().count() <= CONDITION, "{}: {}", claim.claim, test.when);
            }
        }
    }
}
