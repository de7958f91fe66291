//! The CSV files of a suite's folder. Their columns are a contract: new ones are appended.

use records::{Confusion, Getter, Measured, Metric, Number, Record, Row, Trial};
use statistics::wilson;

use crate::{
    document::{Cell, Column, Span, Table, Text},
    error::Result,
    export::csv,
    number::shape,
    page::factors::varying,
};

/// Writes `summary.csv`: a line per row, with the factors in which rows differ and all metrics. Unknown values are empty.
///
/// # Errors
/// Returns what the writer reports.
pub fn summary_csv(rows: &[Row]) -> Result<String> {
    // Metrics that were added after the columns `features` and `lr` follow them.
    let later = Metric::ALL.iter().position(|metric| *metric == Metric::Activations).map_or(0, |last| last + 1);
    let (first, later) = Metric::ALL.split_at(later);
    let columns = |metrics: &[Metric]| metrics.iter().flat_map(|&metric| summary_columns(metric)).collect::<Vec<_>>();
    let between = ["features", "lr"].map(String::from);
    let columns = [vec!["seeds".into()], columns(first), between.into(), columns(later)].concat();
    let lines = rows.iter().map(|row| {
        let fields = |metrics: &[Metric]| metrics.iter().flat_map(|&metric| summary_fields(metric, row)).collect();
        let features = if row.features.is_empty() { String::new() } else { shape(&row.features) };
        let between = vec![features, row.lr.to_string()];
        (row, [vec![row.seeds.to_string()], fields(first), between, fields(later)].concat())
    });
    with_factors(rows, columns.into_iter(), lines)
}

/// The columns of a metric: a mean over seeds is followed by its standard deviation and confidence interval.
fn summary_columns(metric: Metric) -> Vec<String> {
    let suffixes: &[&str] = match metric.getter() {
        Getter::Share(_) | Getter::Optional(_) => &["", "_sd", "_ci95"],
        Getter::Paired(_) => &[],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{metric}{suffix}")).collect()
}

fn summary_fields(metric: Metric, row: &Row) -> Vec<String> {
    match metric.value(row) {
        // Records of old runs lack the activations.
        Some(Number::Count(0)) if metric == Metric::Activations => vec![String::new()],
        Some(Number::Count(count)) => vec![count.to_string()],
        Some(Number::Exact(value)) => vec![number(Some(value), 4)],
        Some(Number::Mean(estimate)) => {
            [Some(estimate.mean), estimate.sd, estimate.ci95].map(|value| number(value, 4)).into()
        }
        Some(Number::Timed(Measured { median, .. })) => vec![number(Some(median), 1)],
        None => vec![String::new(); summary_columns(metric).len()],
    }
}

/// Writes `measures.csv`: a line per value that a suite measures besides accuracy, in per cent; `None` if it measures
/// nothing.
///
/// # Errors
/// Returns what the writer reports.
pub fn measures_csv(rows: &[Row]) -> Result<Option<String>> {
    if rows.iter().all(|row| row.measures.is_empty()) {
        return Ok(None);
    }
    let points = rows.iter().flat_map(|row| row.measures.iter().map(move |point| (row, point)));
    let lines = points.map(|(row, point)| {
        let estimate = point.estimate;
        let fields = vec![
            point.measure.clone(),
            point.setting.clone().unwrap_or_default(),
            point.at.map_or(String::new(), |at| at.to_string()),
            row.seeds.to_string(),
            number(estimate.map(|estimate| estimate.mean), 4),
            number(estimate.and_then(|estimate| estimate.sd), 4),
            number(estimate.and_then(|estimate| estimate.ci95), 4),
        ];
        (row, fields)
    });
    let columns = ["measure", "under", "at", "seeds", "value", "sd", "ci95"];
    with_factors(rows, columns.into_iter().map(String::from), lines).map(Some)
}

/// Writes `curves.csv`: a line per point of each run's learning curve, with accuracies in per cent; `None` if nothing was
/// trained. `rows` are those of the records.
///
/// # Errors
/// Returns what the writer reports.
pub fn curves_csv(rows: &[Row], records: &[Record]) -> Result<Option<String>> {
    if records.iter().all(|record| record.curve.is_empty()) {
        return Ok(None);
    }
    let ranked = records.iter().flat_map(|record| &record.curve).any(|point| point.val_auroc.is_some());
    let runs = rows.iter().zip(records.chunk_by(|a, b| a.config_hash == b.config_hash));
    let runs = runs.flat_map(|(row, records)| records.iter().map(move |record| (row, record)));
    let points = runs.flat_map(|(row, record)| record.curve.iter().map(move |point| (row, record.config.seed, point)));
    let lines = points.map(|(row, seed, point)| {
        let [train_loss, val_loss] = [point.train_loss, point.val_loss].map(|loss| number(loss, 6));
        let shares = [point.val_top1, point.val_auroc].map(|share| number(share.map(|share| 100. * share), 4));
        let mut fields = vec![seed.to_string(), point.epoch.to_string(), train_loss, val_loss];
        fields.extend(shares.into_iter().take(if ranked { 2 } else { 1 }));
        (row, fields)
    });
    let columns =
        ["seed", "epoch", "train_loss", "val_loss", "val_top1"].into_iter().chain(ranked.then_some("val_auroc"));
    with_factors(rows, columns.map(String::from), lines).map(Some)
}

/// Writes `per_class.csv`: a line per class of each row, with its number of test images, and its accuracy and precision over
/// all seeds in per cent; `None` if no row has them. The ends of the 95 % interval count each image once.
///
/// # Errors
/// Returns what the writer reports.
pub fn per_class_csv(rows: &[Row]) -> Result<Option<String>> {
    let line = |row: &Row, confusion: &Confusion, class: usize| {
        let images = confusion.images(class) / row.seeds.max(1) as u64;
        let accuracy = confusion.recall(class);
        let [low, high] = accuracy.and_then(|share| wilson(share, images)).map_or([None; 2], |ends| ends.map(Some));
        let shares = [accuracy, low, high, confusion.precision(class)];
        let shares = shares.map(|share| number(share.map(|share| 100. * share), 4));
        let names = [confusion.classes[class].clone(), row.seeds.to_string(), images.to_string()];
        names.into_iter().chain(shares).collect()
    };
    let classes = |confusion: &Confusion| 0..confusion.classes.len();
    let columns = ["class", "seeds", "images", "accuracy", "accuracy_low95", "accuracy_high95", "precision"];
    of_confusions(rows, &columns, |row, confusion| {
        classes(confusion).map(|class| line(row, confusion, class)).collect()
    })
}

/// Writes `confusion.csv`: how often images of a class were classified as which class, over all seeds, without the pairs that
/// do not occur; `None` if no row has it. Where the output contained a NaN, no class is predicted.
///
/// # Errors
/// Returns what the writer reports.
pub fn confusion_csv(rows: &[Row]) -> Result<Option<String>> {
    of_confusions(rows, &["class", "predicted", "count"], |_, Confusion { classes, counts }| {
        let cells = counts
            .iter()
            .enumerate()
            .flat_map(|(class, row)| row.iter().enumerate().map(move |(predicted, count)| (class, predicted, *count)));
        let name = |class: usize| classes.get(class).cloned().unwrap_or_default();
        let occurring = cells.filter(|(.., count)| *count > 0);
        occurring.map(|(class, predicted, count)| vec![name(class), name(predicted), count.to_string()]).collect()
    })
}

/// Builds a table of the lines of each row that has a confusion.
fn of_confusions(
    rows: &[Row],
    columns: &[&str],
    lines: impl Fn(&Row, &Confusion) -> Vec<Vec<String>>,
) -> Result<Option<String>> {
    let with_confusion = rows.iter().filter_map(|row| Some((row, row.confusion.as_ref()?)));
    let mut lines = with_confusion
        .flat_map(|(row, confusion)| lines(row, confusion).into_iter().map(move |line| (row, line)))
        .peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    with_factors(rows, columns.iter().map(ToString::to_string), lines).map(Some)
}

/// Writes `tuning.csv`: a line per trial of a learning rate, with accuracies in per cent.
///
/// # Errors
/// Returns what the writer reports.
pub fn tuning_csv(trials: &[Trial]) -> Result<String> {
    let has_input = trials.iter().any(|trial| trial.input.is_some());
    let has_size = trials.iter().any(|trial| trial.train_size.is_some());
    let has_setting = trials.iter().any(|trial| trial.setting.is_some());
    let optional = [(has_input, "input"), (has_size, "train_size"), (has_setting, "setting")];
    let optional = optional.into_iter().filter(|(has, _)| *has);
    let names = ["dataset", "model", "head"].into_iter().chain(optional.map(|(_, name)| name));
    let mut table = Table::new(names.chain(["lr", "val_top1", "chosen"]).map(Column::text));
    for trial in trials {
        let mut fields = [&trial.dataset, &trial.model, &trial.head].map(String::clone).to_vec();
        fields.extend(has_input.then(|| trial.input.clone().unwrap_or_default()));
        fields.extend(has_size.then(|| trial.train_size.map_or(String::new(), |size| size.to_string())));
        fields.extend(has_setting.then(|| trial.setting.clone().unwrap_or_default()));
        let chosen = if trial.chosen { "yes" } else { "" };
        fields.extend([trial.lr.to_string(), number(trial.val_top1, 4), chosen.into()]);
        table.push(fields.into_iter().map(literal));
    }
    csv(&table)
}

/// A number as programs read it; empty if there is none.
fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.digits$}"))
}

/// Builds a table whose lines begin with the factors in which the rows differ.
fn with_factors<'a>(
    rows: &[Row],
    columns: impl Iterator<Item = String>,
    lines: impl Iterator<Item = (&'a Row, Vec<String>)>,
) -> Result<String> {
    let factors = varying(rows);
    let names = ["dataset", "model", "head"].into_iter().chain(factors.iter().map(|factor| factor.name));
    let mut table = Table::new(names.map(String::from).chain(columns).map(Column::text));
    for (row, fields) in lines {
        let names = [&row.dataset, &row.model, &row.head].map(String::clone).into_iter();
        let factors = factors.iter().map(|factor| (factor.of)(row));
        table.push(names.chain(factors).chain(fields).map(literal));
    }
    csv(&table)
}

/// A cell with exactly this text.
fn literal(text: String) -> Cell {
    Cell { text: Text(vec![Span::Plain(text)]), value: None }
}
