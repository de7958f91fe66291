//! The advice at the head of the results: which head to take.

use anyhow::{Context, Result};
use report::{Advice, SuiteEntry, fill};
use serde::Deserialize;
use statistics::Verdict;

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
        let judged = suite.judged.iter().find(|judged| judged.test.comparison == sentence.comparison)?;
        // The results may be of an earlier version of the suite, whose comparison of this name compared something else.
        let outline = Outline::parse(original(suite.name)?).ok()?;
        let meant = outline.comparisons.iter().find(|comparison| comparison.name == sentence.comparison)?;
        let compared = judged.compared.comparison;
        if (&meant.metric, meant.by) != (&compared.metric, compared.by) {
            return None;
        }
        let form = match judged.verdict {
            Verdict::Yes | Verdict::ByConstruction => &sentence.yes,
            Verdict::No => &sentence.no,
            Verdict::NotShown | Verdict::Descriptive => &sentence.otherwise,
        };
        Some(Advice { text: fill(form, judged), suite: suite.name, step: sentence.step.clone() })
    });
    Ok(chosen.collect())
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
        for Sentence { suite, comparison, yes, no, otherwise, .. } in sentences {
            let text = original(&suite).unwrap_or_else(|| panic!("no suite is called {suite}"));
            let outline = Outline::parse(text).unwrap();
            let mut tests = outline.claims.iter().flat_map(|claim| &claim.tests);
            assert!(tests.any(|test| test.comparison == comparison), "{suite} does not test `{comparison}`");
            for form in [yes, no, otherwise] {
                let filled =
                    ["{a}", "{b}", "{value}", "{verdict}"].iter().fold(form, |form, place| form.replace(place, ""));
                assert!(!filled.contains(['{', '}']), "{filled} has another place");
                assert!(!filled.ends_with('.'), "{filled} ends before its link");
            }
        }
    }
}
