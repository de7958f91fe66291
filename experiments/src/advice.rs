//! The advice at the head of the results: which head to take.

use anyhow::{Context, Result};
use report::{Advice, SuiteEntry, fill};
use serde::Deserialize;
use statistics::{Judged, Verdict};

use crate::suite::{Outline, original};

/// The sentences; the file explains its keys.
const SENTENCES: &str = include_str!("advice.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    advice: Vec<Sentence>,
}

/// A sentence of advice in three forms, of which the verdict on a comparison chooses one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    suite: String,
    comparison: String,
    /// A second comparison that a claim of the suite tests, whose means stand beside.
    second: Option<String>,
    /// The step of the playground's tour that quotes the sentence.
    step: Option<String>,
    /// The form if the comparison came out as its claim expects, or holds by construction.
    yes: String,
    /// The form if it did not.
    no: String,
    /// The form if that is not shown or was not tested.
    otherwise: String,
}

/// Chooses the sentences that the suites' records allow, in the order of the file. A sentence whose comparison has no result,
/// or compared something else, is left out.
pub fn advice<'a>(suites: &[SuiteEntry<'a>]) -> Result<Vec<Advice<'a>>> {
    let sentences = sentences()?;
    let chosen = sentences.iter().filter_map(|sentence| {
        let suite = suites.iter().find(|suite| suite.name == sentence.suite)?;
        let outline = Outline::parse(original(suite.name)?).ok()?;
        let judged = test_of(suite, &outline, &sentence.comparison)?;
        let second = match &sentence.second {
            Some(name) => Some(test_of(suite, &outline, name)?),
            None => None,
        };
        let form = match judged.verdict {
            Verdict::Yes | Verdict::ByConstruction => &sentence.yes,
            Verdict::No => &sentence.no,
            Verdict::NotShown | Verdict::Descriptive => &sentence.otherwise,
        };
        Some(Advice { text: fill(form, judged, second), suite: suite.name, step: sentence.step.clone() })
    });
    Ok(chosen.collect())
}

/// Finds the test of a comparison, unless the results are of an earlier version of the suite than `outline`, whose comparison
/// of this name compared something else.
fn test_of<'a>(suite: &SuiteEntry<'a>, outline: &Outline, name: &str) -> Option<&'a Judged<'a>> {
    let judged = suite.judged.iter().find(|judged| judged.test.comparison == name)?;
    let meant = outline.comparisons.iter().find(|comparison| comparison.name == name)?;
    let compared = judged.compared.comparison;
    ((&meant.metric, meant.by) == (&compared.metric, compared.by)).then_some(judged)
}

fn sentences() -> Result<Vec<Sentence>> {
    Ok(toml::from_str::<File>(SENTENCES).context("advice.toml")?.advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_about_a_test_of_a_shipped_suite() {
        let sentences = sentences().unwrap();
        assert!((5..=8).contains(&sentences.len()), "{} sentences", sentences.len());
        for Sentence { suite, comparison, second, yes, no, otherwise, .. } in sentences {
            let text = original(&suite).unwrap_or_else(|| panic!("no suite is called {suite}"));
            let outline = Outline::parse(text).unwrap();
            let tests: Vec<_> = outline.claims.iter().flat_map(|claim| &claim.tests).collect();
            for comparison in [Some(comparison), second.clone()].into_iter().flatten() {
                assert!(tests.iter().any(|test| test.comparison == comparison), "{suite} does not test `{comparison}`");
            }
            let places = ["{a}", "{b}", "{value}", "{verdict}"]
                .into_iter()
                .chain(second.map(|_| ["{a2}", "{b2}"]).into_iter().flatten());
            let places: Vec<&str> = places.collect();
            for form in [yes, no, otherwise] {
                let filled = places.iter().fold(form, |form, place| form.replace(place, ""));
                assert!(!filled.contains(['{', '}']), "{filled} has another place");
                assert!(!filled.ends_with('.'), "{filled} ends before its link");
            }
        }
    }
}
