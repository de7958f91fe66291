//! The claims that a suite tests, and their verdicts, in words.

use statistics::{Expect, Judged, TestOutcome, Verdict};

use super::comparisons::value_and_interval;
use crate::{
    document::{Column, Document, Table, Text},
    number::p_value,
};

/// Appends the table of claims, unless nothing is claimed.
pub fn claims(page: &mut Document, verdicts: &[Verdict]) {
    if verdicts.is_empty() {
        return;
    }
    page.heading(1, "Claims, tested");
    let mut table = Table::new([Column::text("claim"), Column::verdict("verdict"), Column::text("figures")]);
    for verdict in verdicts {
        table.push([Text::from(verdict.claim.claim.as_str()), Text::strong(words(verdict)), figures(verdict).into()]);
    }
    page.table(table);
    page.paragraph(
        "A claim holds if the whole interval lies where the claim expects the value, and does not hold if the whole \
         interval lies elsewhere. Otherwise it is not shown, and the interval says what remains possible. What a primary \
         comparison should show is also not shown if its adjusted p-value is 0.025 or more. Verdicts marked “descriptive” \
         follow from intervals alone.",
    );
}

/// Which tests of a claim hold. Where they differ, each with its condition.
pub fn words(verdict: &Verdict) -> String {
    let kind = |judged: &Judged| (judged.outcome, judged.is_descriptive);
    let mut kinds: Vec<(TestOutcome, bool)> = verdict.tests.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let words = |&(outcome, is_descriptive): &(TestOutcome, bool)| {
        let mut words = outcome_words(outcome).to_string();
        if is_descriptive && outcome != TestOutcome::NotMeasured {
            words += " (descriptive)";
        }
        if kinds.len() > 1 {
            let fitting = verdict.tests.iter().filter(|judged| kind(judged) == (outcome, is_descriptive));
            words += &format!(" {}", fitting.map(|judged| judged.test.when.as_str()).collect::<Vec<_>>().join(" and "));
        }
        words
    };
    kinds.iter().map(words).collect::<Vec<_>>().join("; ")
}

/// The figures that a verdict follows from, with the adjusted p-value of a primary comparison.
pub fn figures(verdict: &Verdict) -> String {
    let figure = |judged: &Judged| {
        let Judged { test, compared, .. } = judged;
        let when = if test.when.is_empty() { String::new() } else { format!("{}: ", test.when) };
        let p = compared.holm.map(p_value);
        let p = p.map(|p| if p.starts_with(['<', '>']) { format!(", p {p}") } else { format!(", p = {p}") });
        let value = value_and_interval(compared) + &p.unwrap_or_default();
        format!("{when}{value} (expected: {})", expectation(test.expect))
    };
    verdict.tests.iter().map(figure).collect::<Vec<_>>().join("; ")
}

fn outcome_words(outcome: TestOutcome) -> &'static str {
    match outcome {
        TestOutcome::Holds => "holds",
        TestOutcome::DoesNotHold => "does not hold",
        TestOutcome::NotShown => "not shown",
        TestOutcome::NotMeasured => "not measured",
    }
}

fn expectation(expect: Expect) -> String {
    let number = |bound: f64| if bound < 0. { format!("−{}", -bound) } else { bound.to_string() };
    match expect {
        Expect::Greater => "greater".into(),
        Expect::Less => "less".into(),
        Expect::AtLeast(bound) => format!("at least {}", number(bound)),
        Expect::AtMost(bound) => format!("at most {}", number(bound)),
        Expect::Within(margin) => format!("within ±{margin}"),
    }
}
