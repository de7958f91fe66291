use anyhow::Result;
use csv::Writer;

use super::columns::{shape, varying};
use crate::{
    aggregate::{Estimate, Row},
    record::Measured,
    suite::Trial,
};

/// One line per row. The columns are a contract, but for the factors behind `head`, which are there where rows differ in
/// them; what is not known stays empty.
pub fn summary(rows: &[Row]) -> Result<String> {
    let columns = [
        "seeds",
        "param_count",
        "head_param_count",
        "macs",
        "top1",
        "top1_sd",
        "top1_ci95",
        "train_top1",
        "generalisation_gap",
        "train_samples_per_sec",
        "infer_samples_per_sec",
        "latency_us",
        "activations",
        "features",
        "lr",
    ];
    let median = |measured: Option<Measured>| number(measured.map(|measured| measured.median), 1);
    let fields = |row: &Row| {
        [
            row.seeds.to_string(),
            row.param_count.to_string(),
            row.head_param_count.to_string(),
            row.macs.to_string(),
            number(row.top1.map(|top1| top1.mean), 4),
            number(row.top1.and_then(|top1| top1.sd), 4),
            number(row.top1.and_then(|top1| top1.ci95), 4),
            number(row.train_top1, 4),
            number(row.generalisation_gap, 4),
            median(row.train_samples_per_sec),
            median(row.infer_samples_per_sec),
            median(row.latency_us),
            if row.activations > 0 { row.activations.to_string() } else { String::new() },
            if row.features.is_empty() { String::new() } else { shape(&row.features) },
            row.lr.to_string(),
        ]
    };
    with_factors(rows, &columns, rows.iter().map(|row| (row, fields(row).to_vec())))
}

/// What a suite measures beyond accuracy, one line per value, in per cent; none where it measures nothing.
pub fn measures(rows: &[Row]) -> Result<Option<String>> {
    let points = || rows.iter().flat_map(|row| row.measures.iter().map(move |point| (row, point)));
    if points().next().is_none() {
        return Ok(None);
    }
    let lines = points().map(|(row, point)| {
        let of = |of: fn(Estimate) -> Option<f64>| number(point.estimate.and_then(of), 4);
        let fields = vec![
            point.measure.clone(),
            point.setting.clone().unwrap_or_default(),
            point.at.map_or(String::new(), |at| at.to_string()),
            row.seeds.to_string(),
            of(|estimate| Some(estimate.mean)),
            of(|estimate| estimate.sd),
            of(|estimate| estimate.ci95),
        ];
        (row, fields)
    });
    with_factors(rows, &["measure", "under", "at", "seeds", "value", "sd", "ci95"], lines).map(Some)
}

/// What `--tune` tried, accuracies in per cent.
pub fn trials(trials: &[Trial]) -> Result<String> {
    let has_input = trials.iter().any(|trial| trial.input.is_some());
    let has_size = trials.iter().any(|trial| trial.train_size.is_some());
    let factors = |[dataset, model, head, input, size]: [String; 5]| {
        let more = [(has_input, input), (has_size, size)].into_iter().filter_map(|(has, field)| has.then_some(field));
        [dataset, model, head].into_iter().chain(more).collect::<Vec<_>>()
    };
    let mut lines = vec![factors(["dataset", "model", "head", "input", "train_size"].map(String::from))];
    lines[0].extend(["lr", "val_top1", "chosen"].map(String::from));
    for trial in trials {
        let size = trial.train_size.map_or(String::new(), |size| size.to_string());
        let [dataset, model, head] = [&trial.dataset, &trial.model, &trial.head].map(String::clone);
        let mut line = factors([dataset, model, head, trial.input.clone().unwrap_or_default(), size]);
        let chosen = if trial.chosen { "yes" } else { "" };
        line.extend([trial.lr.to_string(), number(trial.val_top1, 4), chosen.into()]);
        lines.push(line);
    }
    written(lines)
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.digits$}"))
}

/// Lines that begin with what tells the rows apart.
fn with_factors<'a>(
    rows: &[Row],
    columns: &[&str],
    lines: impl Iterator<Item = (&'a Row, Vec<String>)>,
) -> Result<String> {
    let factors = varying(rows);
    let names = factors.iter().map(|factor| factor.name);
    let header = ["dataset", "model", "head"].into_iter().chain(names).chain(columns.iter().copied());
    let header = header.map(String::from).collect();
    let lines = lines.map(|(row, fields)| {
        let names = [&row.dataset, &row.model, &row.head].map(String::clone);
        names.into_iter().chain(factors.iter().map(|factor| (factor.of)(row))).chain(fields).collect()
    });
    written([header].into_iter().chain(lines))
}

fn written(lines: impl IntoIterator<Item = Vec<String>>) -> Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    for line in lines {
        writer.write_record(line)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
