use std::collections::BTreeSet;

use records::{LeftOut, Record, Row};
use statistics::{Compared, Judged, SEEDS_FOR_A_TEST};

use super::{
    claims::{answer, claims, figure, words},
    classes::classes,
    columns::{is_trained, table},
    comparisons::comparisons,
    factors::{by_model, name},
    measures::measures,
    protocol::{learning_rates, made_with, protocol},
};
use crate::{
    document::{Block, Document, Figure, Image, Text},
    number::{extent, shape},
};

/// The material of a suite's page.
#[derive(Clone, Copy, Debug, Default)]
pub struct SuiteReport<'a> {
    /// The question from the suite's file; without it, the page has the question of the records.
    pub question: Option<&'a str>,
    /// The records that count.
    pub records: &'a [Record],
    /// Those records, aggregated over seeds.
    pub rows: &'a [Row],
    /// The records and files that do not count.
    pub left_out: &'a [LeftOut],
    /// The number of runs in the plan that have no record yet.
    pub missing: usize,
    /// The reasons not to rely on the numbers, a sentence each.
    pub doubts: &'a [String],
    /// Remarks of the suite's file on how the runs came about, a paragraph each.
    pub remarks: &'a [String],
    /// The comparisons of the suite.
    pub compared: &'a [Compared<'a>],
    /// The tests of its claims, judged.
    pub judged: &'a [Judged<'a>],
    /// The names of its measures and what they mean.
    pub explanations: &'a [(&'a str, &'a str)],
    /// Its plots.
    pub figures: &'a [Figure],
    /// The names of its networks that are published, each with a card NAME.md and a file NAME.safetensors.
    pub published: &'a [String],
    /// Its pictures of class maps.
    pub images: &'a [Image],
    /// The name, relative to the page, of the picture of each row's most confident mistakes; `None` where there is none.
    pub mistakes: &'a [Option<String>],
}

impl SuiteReport<'_> {
    /// The question that the suite answers.
    fn question(&self) -> &str {
        self.question.or(self.records.first().map(|first| first.suite.question.as_str())).unwrap_or_default()
    }
}

/// Builds the page of a suite: its question and the answer, claims, results, plots, comparisons, measures, classes, notes,
/// and how it was made. The page is empty if there are no records.
pub fn suite_page(suite: &SuiteReport) -> Document {
    let Some(first) = suite.records.first() else { return Document::default() };
    let mut page = Document::new(&first.suite.name);
    page.paragraph(suite.question());
    answer(&mut page, suite.judged);
    if let Some(text) = incomplete(suite) {
        page.paragraph(Text::strong(text));
    }
    suite.doubts.iter().for_each(|doubt| page.paragraph(Text::strong(doubt)));
    claims(&mut page, suite.judged);
    for rows in by_model(suite.rows) {
        page.heading(1, title(rows));
        page.table(table(rows, suite.rows));
    }
    page.paragraph(legend(suite.rows));
    if !suite.published.is_empty() {
        page.heading(1, "Trained networks");
        page.paragraph("Each has a card, which says what it is, how good it is in each class, and how it is used.");
        page.list(suite.published.iter().map(|name| Text::link(name, format!("{name}.md"))));
    }
    if !suite.figures.is_empty() {
        page.heading(1, "Figures");
        page.blocks.extend(suite.figures.iter().cloned().map(Block::Figure));
    }
    if !suite.images.is_empty() {
        page.heading(1, "Where the networks look");
        page.blocks.extend(suite.images.iter().cloned().map(Block::Image));
    }
    comparisons(&mut page, suite.compared);
    measures(&mut page, suite.rows, suite.explanations);
    classes(&mut page, suite.rows, suite.mistakes);
    let notes = suite.remarks.iter().cloned().chain(rising(suite.rows)).chain(suite.left_out.iter().map(left_out));
    let notes: Vec<String> = notes.collect();
    if !notes.is_empty() {
        page.heading(1, "Notes");
        page.list(notes);
    }
    if is_trained(suite.rows) {
        learning_rates(&mut page, suite.rows);
    }
    protocol(&mut page, suite.records, is_trained(suite.rows));
    made_with(&mut page, suite.records);
    page
}

/// Builds what a terminal shows of a suite: its tables, each test of its claims in a line, and the answer to its question.
pub fn suite_overview(suite: &SuiteReport) -> Document {
    let mut overview = Document::default();
    if let Some(text) = incomplete(suite) {
        overview.paragraph(text);
    }
    suite.doubts.iter().for_each(|doubt| overview.paragraph(doubt.as_str()));
    for rows in by_model(suite.rows) {
        let mut table = table(rows, suite.rows);
        table.caption = title(rows);
        overview.table(table);
    }
    if suite.rows.iter().any(|row| row.rising) {
        overview.paragraph("↗ validation accuracy still rising at the last epoch: longer training may help");
    }
    overview.list(suite.judged.iter().map(|judged| {
        let when = if judged.test.when.is_empty() { String::new() } else { format!(" ({})", judged.test.when) };
        format!("{}: {}{when}: {}", words(judged.verdict), judged.claim.claim, figure(judged))
    }));
    if !suite.judged.is_empty() {
        overview.paragraph(suite.question());
        answer(&mut overview, suite.judged);
    }
    overview
}

/// Says how many runs are missing.
fn incomplete(suite: &SuiteReport) -> Option<String> {
    let finished = suite.records.len();
    let planned = finished + suite.missing;
    (suite.missing > 0).then(|| {
        format!(
            "Incomplete: {finished} of {planned} runs are finished. Tables and verdicts count only these, and may change."
        )
    })
}

/// The title of a model's table, which says what its rows have in common.
fn title(rows: &[Row]) -> String {
    let row = &rows[0];
    let most = rows.iter().map(|row| row.seeds).max().unwrap_or_default();
    let fewer: BTreeSet<&str> = rows.iter().filter(|row| row.seeds < most).map(|row| row.head.as_str()).collect();
    let trained = match most {
        _ if !is_trained(rows) => "nothing trained".into(),
        1 => "1 seed (descriptive)".into(),
        seeds if seeds < SEEDS_FOR_A_TEST => format!("{seeds} seeds (descriptive)"),
        seeds if fewer.is_empty() => format!("{seeds} seeds"),
        seeds => format!("{seeds} seeds ({} with fewer: descriptive)", Vec::from_iter(fewer).join(", ")),
    };
    let field = match &row.receptive_field {
        // Sequences have one axis, images two.
        Some(sizes) => format!("{} {}", extent(sizes), if sizes.len() == 1 { "positions" } else { "px" }),
        None => "the whole input".into(),
    };
    let mut title = format!("{} on {}: {trained}, receptive field {field}", row.model, row.dataset);
    if !row.features.is_empty() && rows.iter().all(|other| other.features == row.features) {
        title += &format!(", features {}", shape(&row.features));
    }
    title
}

/// How the numbers of the tables are to be read.
fn legend(rows: &[Row]) -> String {
    let values = if is_trained(rows) {
        format!(
            "Accuracies and losses are mean ± standard deviation over seeds; results over fewer than {SEEDS_FOR_A_TEST} seeds \
             are descriptive. “train − test” is the generalisation gap: training accuracy minus test accuracy. The rise of \
             the validation loss is that over its minimum along the learning curve: over-fitting as the loss shows it."
        )
    } else {
        "Activations are the numbers (of 32 bits) in the outputs of all layers for one sample, which a training step keeps \
         in memory."
            .into()
    };
    let diverged = if rows.iter().any(|row| row.diverged > 0) {
        " “(2 of 3)” behind an accuracy means that two of three runs finished; the others diverged and are left out."
    } else {
        ""
    };
    values
        + diverged
        + " Speeds are medians ± interquartile range (in per cent of the median) over rounds in which the variants took \
           turns. MACs are multiply-accumulates for one sample, of the layers as \
           they are defined: `gap` counts its 1×1 convolution at every position, although it is computed after averaging."
}

/// The note on networks whose validation accuracy was still rising.
fn rising(rows: &[Row]) -> Option<String> {
    let rising: Vec<String> = rows.iter().filter(|row| row.rising).map(|row| name(row, rows)).collect();
    let names = if rising.len() == rows.len() { "all variants".into() } else { rising.join("; ") };
    (!rising.is_empty()).then(|| {
        format!(
            "↗ validation accuracy still rising at the last epoch, which means by more than one standard error of the \
             validation split between the last two points of the curve: {names}. Longer training may improve them."
        )
    })
}

/// Says which record or file does not count, and why.
pub fn left_out(what: &LeftOut) -> String {
    let words = match what {
        LeftOut::Duplicate { variant, seed } => format!("{variant} seed {seed}: it occurs twice"),
        LeftOut::OtherConfiguration { variant, records, hash } => {
            let records = if *records == 1 { "1 record".into() } else { format!("{records} records") };
            format!("{variant}: {records} of another configuration ({hash})")
        }
        LeftOut::OtherPlan { variant, seeds, hash } => {
            let records = if seeds.len() == 1 { "1 record".into() } else { format!("{} records", seeds.len()) };
            let seeds = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            format!("{variant}: {records} of another plan (configuration {hash}, seeds {seeds})")
        }
        LeftOut::Diverged { variant, seed, at } => format!("{variant} seed {seed}: {at}"),
        LeftOut::Unreadable { path, reason } => format!("{}: {reason}", path.display()),
        other => format!("{other:?}"),
    };
    format!("Left out: {words}.")
}
