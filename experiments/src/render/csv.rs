use anyhow::Result;
use csv::Writer;

use crate::{aggregate::Row, record::Measured, tune::Trial};

/// One line per row. The columns are a contract; what is not known stays empty.
pub fn summary(rows: &[Row]) -> Result<String> {
    let columns = [
        "dataset",
        "model",
        "head",
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
    ];
    let median = |measured: Option<Measured>| number(measured.map(|measured| measured.median), 1);
    let fields = |row: &Row| {
        [
            row.dataset.clone(),
            row.model.clone(),
            row.head.clone(),
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
        ]
    };
    lines(columns, rows.iter().map(fields))
}

/// What `--tune` tried, accuracies in per cent.
pub fn trials(trials: &[Trial]) -> Result<String> {
    let fields = |trial: &Trial| {
        let chosen = if trial.chosen { "yes" } else { "" };
        let val_top1 = number(trial.val_top1.map(|top1| 100. * top1), 4);
        let [dataset, model, head] = [&trial.dataset, &trial.model, &trial.head].map(String::clone);
        [dataset, model, head, trial.lr.to_string(), val_top1, chosen.into()]
    };
    lines(["dataset", "model", "head", "lr", "val_top1", "chosen"], trials.iter().map(fields))
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.digits$}"))
}

fn lines<const N: usize>(columns: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
