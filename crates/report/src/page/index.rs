use statistics::Verdict;

use super::claims::{figures, words};
use crate::document::{Cell, Column, Document, Table, Text};

/// The first line of a written index page, by which it is recognised: no other page is overwritten.
pub const INDEX_MARKER: &str = "<!-- Written by `experiments report`. -->\n";

/// Returns whether a page was written as an index page.
pub fn is_index(page: &str) -> bool {
    page.starts_with(INDEX_MARKER)
}

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
    /// Its claims, judged.
    pub verdicts: &'a [Verdict<'a>],
}

/// Builds the page of a folder of suites: a table of suites, and one of all claims that they test. With `has_bench`, it links
/// to the comparison of speed in the folder `bench`.
pub fn index_page(suites: &[SuiteEntry], has_bench: bool) -> Document {
    let link = |suite: &SuiteEntry| Text::link(suite.name, format!("{}/README.md", suite.name));
    let mut page = Document::new("Results");
    page.paragraph(
        "Each suite answers one question; its page has the tables, figures and protocol. The verdicts on the claims follow \
         from comparisons, which are explained there too.",
    );
    let mut table = Table::new([Column::key("suite"), Column::text("question"), Column::number("runs")]);
    for suite in suites {
        let text = match suite.missing {
            0 => suite.runs.to_string(),
            missing => format!("{} of {}", suite.runs, suite.runs + missing),
        };
        let runs = Cell::number(text, suite.runs as f64);
        table.push([link(suite).into(), suite.question.into(), runs]);
    }
    page.table(table);
    if has_bench {
        let link = Text::link("bench", "bench/README.md").0.into_iter();
        page.paragraph(Text(link.chain(Text::from(" compares the speed with other programs.").0).collect()));
    }
    if suites.iter().all(|suite| suite.verdicts.is_empty()) {
        return page;
    }
    page.heading(1, "Claims, tested");
    let texts = [Column::text("figures"), Column::text("suite")];
    let mut table = Table::new([Column::text("claim"), Column::verdict("verdict")].into_iter().chain(texts));
    for suite in suites {
        for verdict in suite.verdicts {
            let claim = Text::from(verdict.claim.claim.as_str());
            table.push([claim, Text::strong(words(verdict)), figures(verdict).into(), link(suite)]);
        }
    }
    page.table(table);
    page
}
