use statistics::Judged;

use super::{
    claims::{cells, figure, verdicts_explained, words},
    comparisons::mean_alone,
};
use crate::document::{Cell, Column, Document, Span, Table, Text};

/// A suite in the index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuiteEntry<'a> {
    /// The name of the suite, which is that of its folder.
    pub name: &'a str,
    /// The question that it answers.
    pub question: &'a str,
    /// The number of its finished runs.
    pub runs: usize,
    /// The number of runs in its plan that have no record yet.
    pub missing: usize,
    /// The tests of its claims, judged.
    pub judged: &'a [Judged<'a>],
}

/// A sentence of advice that follows from the records of a suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice<'a> {
    /// The sentence.
    pub text: String,
    /// The name of the suite that it follows from.
    pub suite: &'a str,
    /// The step of the playground's tour that quotes it.
    pub step: Option<String>,
}

/// Builds the page of a folder of suites: the advice, a table of all that the suites test, and one of the suites. The tests
/// are ordered by the `statements` that they belong to, given by name and text; those of none come last, as our own questions. With `has_bench`,
/// the page links to the comparison of speed in the folder `bench`.
pub fn index_page(advice: &[Advice], statements: &[(&str, &str)], suites: &[SuiteEntry], has_bench: bool) -> Document {
    let mut page = Document::new("Results");
    if !advice.is_empty() {
        page.heading(1, "Which head should I take?");
        let sentence = |Advice { text, suite, .. }: &Advice| {
            let link = Span::Link { text: (*suite).into(), target: format!("{suite}/README.md") };
            let words = Text::from(text.as_str()).0.into_iter();
            words.chain([Span::Plain(" (".into()), link, Span::Plain("). ".into())]).collect::<Vec<_>>()
        };
        page.paragraph(Text(advice.iter().flat_map(sentence).collect()));
    }
    tests(&mut page, statements, suites);
    page.heading(1, "The suites");
    page.paragraph("Each suite answers one question; its page has the answer, tables, figures and protocol.");
    let mut table = Table::new([Column::key("suite"), Column::text("question"), Column::number("runs")]);
    for suite in suites {
        let text = match suite.missing {
            0 => suite.runs.to_string(),
            missing => format!("{} of {}", suite.runs, suite.runs + missing),
        };
        table.push([link(suite).into(), suite.question.into(), Cell::number(text, suite.runs as f64)]);
    }
    page.table(table);
    let link = Text::link("leaderboard.html", "leaderboard.html").0.into_iter();
    let words =
        " ranks all trained networks; a browser shows it from a copy of this folder. `leaderboard.csv` is its table.";
    page.paragraph(Text(link.chain(Text::from(words).0).collect()));
    if has_bench {
        let link = Text::link("bench", "bench/README.md").0.into_iter();
        page.paragraph(Text(link.chain(Text::from(" compares the speed with other programs.").0).collect()));
    }
    page
}

fn link(suite: &SuiteEntry) -> Text {
    Text::link(suite.name, format!("{}/README.md", suite.name))
}

/// Appends the table of all tests, unless there are none.
fn tests(page: &mut Document, statements: &[(&str, &str)], suites: &[SuiteEntry]) {
    if suites.iter().all(|suite| suite.judged.is_empty()) {
        return;
    }
    page.heading(1, "What is said about pooling, and what was measured");
    page.paragraph(
        "The numbered statements are what introductions to pooling commonly say. The questions after them are our own.",
    );
    let texts = ["statement", "tested as", "condition", "figure"].map(Column::text).into_iter();
    let mut table = Table::new(texts.chain([Column::verdict("verdict"), Column::text("suite")]));
    let named = statements.iter().map(|(name, text)| (Some(*name), format!("{name}. {text}")));
    for (statement, text) in named.chain([(None, "Our own questions".into())]) {
        let mut text = Some(text);
        for suite in suites {
            let of_statement = suite.judged.iter().filter(|judged| judged.claim.statement.as_deref() == statement);
            let of_statement: Vec<&Judged> = of_statement.collect();
            for (i, judged) in of_statement.iter().enumerate() {
                let is_first = i == 0 || of_statement[i - 1].claim != judged.claim;
                let [claim, condition, figure, verdict] = cells(judged, is_first);
                let statement = Cell::from(text.take().unwrap_or_default());
                table.push([statement, claim, condition, figure, verdict, link(suite).into()]);
            }
        }
    }
    page.table(table);
    page.paragraph(verdicts_explained());
}

/// Fills the places of a sentence of advice from a test: `{a}` and `{b}` with the means of both sides, `{value}` with the
/// figure, and `{verdict}` with its verdict. The means of a second test fill `{a2}` and `{b2}`.
pub fn fill(sentence: &str, judged: &Judged, second: Option<&Judged>) -> String {
    let mean = |judged: &Judged, side: usize| match &judged.compared.effect {
        Ok(effect) => mean_alone(judged.compared, effect, side),
        Err(_) => String::new(),
    };
    let of_second = second.map(|second| [("{a2}", mean(second, 0)), ("{b2}", mean(second, 1))]);
    [("{a}", mean(judged, 0)), ("{b}", mean(judged, 1)), ("{value}", figure(judged))]
        .into_iter()
        .chain([("{verdict}", words(judged.verdict).into())])
        .chain(of_second.into_iter().flatten())
        .fold(sentence.to_string(), |sentence, (place, words)| sentence.replace(place, &words))
}
