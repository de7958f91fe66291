//! The claims that a suite tests, and what was found of them, in words.

use statistics::{Expect, Judged, LEVEL, SEEDS_FOR_A_TEST, Verdict};

use super::comparisons::{value_and_interval, value_and_means};
use crate::{
    document::{Cell, Column, Document, Span, Table, Text},
    number::{NONE, p_value},
};

/// Appends the answer to a suite's question: what was found of its first two claims, in a sentence each, which names the
/// verdicts on primary comparisons, or on all if none is primary.
pub fn answer(page: &mut Document, judged: &[Judged]) {
    let any_primary = judged.iter().any(|judged| judged.compared.comparison.primary);
    let tests: Vec<&Judged> =
        judged.iter().filter(|judged| judged.compared.comparison.primary || !any_primary).collect();
    let sentences: Vec<Span> =
        tests.chunk_by(|a, b| a.claim == b.claim).take(2).flat_map(|tests| Text::from(found(tests)).0).collect();
    if !sentences.is_empty() {
        page.paragraph(Text(sentences));
    }
}

/// Says in a sentence what was found of a claim: its verdicts, each with the conditions and figures of its tests.
fn found(tests: &[&Judged]) -> String {
    let verdicts = tests.chunk_by(|a, b| a.verdict == b.verdict).map(|alike| {
        let cases = alike.iter().map(|judged| match judged.test.when.as_str() {
            "" => figure(judged),
            when => format!("{when}, {}", figure(judged)),
        });
        format!("{} ({})", words(alike[0].verdict), cases.collect::<Vec<_>>().join("; "))
    });
    format!("“{}”: {}. ", tests[0].claim.claim, verdicts.collect::<Vec<_>>().join(", "))
}

/// Appends the table of claims with a row per test, unless there is none.
pub fn claims(page: &mut Document, judged: &[Judged]) {
    if judged.is_empty() {
        return;
    }
    page.heading(1, "Claims, tested");
    let texts = ["tested as", "condition", "figure"].map(Column::text).into_iter();
    let mut table = Table::new(texts.chain([Column::number("p (Holm)"), Column::verdict("verdict")]));
    for tests in judged.chunk_by(|a, b| a.claim == b.claim) {
        for (i, judged) in tests.iter().enumerate() {
            let p = judged.compared.holm.map_or_else(|| NONE.into(), |p| Cell::number(p_value(p), p));
            let [claim, condition, figure, verdict] = cells(judged, i == 0);
            table.push([claim, condition, figure, p, verdict]);
        }
    }
    page.table(table);
    page.paragraph(verdicts_explained());
}

/// The cells of a test: what is tested, unless it stands in a row above, under which condition, the figure and the verdict.
pub fn cells(judged: &Judged, is_first: bool) -> [Cell; 4] {
    let claim = if is_first { Text::from(judged.claim.claim.as_str()) } else { Text::default() };
    let verdict = Text::strong(words(judged.verdict));
    [claim, judged.test.when.as_str().into(), figure_and_expectation(judged).into(), verdict].map(Cell::from)
}

/// Returns the sentences below a table of claims that explain its verdicts.
pub fn verdicts_explained() -> String {
    format!(
        "“Yes” means that the whole interval lies where it was expected and that the adjusted p-value is below {LEVEL}; \
         “no” that the whole interval lies elsewhere; “not shown” that the interval allows both. Speeds are judged by their \
         interval alone. “By construction” was counted, or follows from how the networks are built; a count that is not as \
         expected is a “no”. “Descriptive” was not tested: it has fewer than \
         {SEEDS_FOR_A_TEST} seeds, and therefore means with standard deviations instead of an interval, or it was not \
         named as a primary comparison before the runs."
    )
}

/// The word for a verdict.
pub fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Yes => "yes",
        Verdict::No => "no",
        Verdict::NotShown => "not shown",
        Verdict::ByConstruction => "by construction",
        Verdict::Descriptive => "descriptive",
    }
}

/// The figure that a verdict follows from, with its interval; over fewer seeds than a test needs, with the means.
pub fn figure(judged: &Judged) -> String {
    let seeds = judged.compared.effect.as_ref().map_or(0, |effect| effect.seeds);
    if (1..SEEDS_FOR_A_TEST).contains(&seeds) {
        value_and_means(judged.compared)
    } else {
        value_and_interval(judged.compared)
    }
}

fn figure_and_expectation(judged: &Judged) -> String {
    format!("{}; expected: {}", figure(judged), expectation(judged.test.expect))
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
