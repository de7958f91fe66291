//! The columns of the tables that people read.

use models::thousands;

use crate::{aggregate::Row, record::Measured};

pub struct Column {
    pub title: &'static str,
    pub cell: fn(&Row) -> String,
    /// Text stands left, numbers right.
    pub is_text: bool,
}

/// What tells rows apart beside data set, model and head.
#[derive(Clone, Copy)]
pub struct Factor {
    /// As the CSV calls it.
    pub name: &'static str,
    pub title: &'static str,
    pub of: fn(&Row) -> String,
}

const FACTORS: [Factor; 3] = [
    Factor { name: "input", title: "input", of: |row| row.input.clone() },
    Factor { name: "train_size", title: "training images", of: |row| row.train_size.to_string() },
    Factor { name: "setting", title: "setting", of: |row| row.setting.clone() },
];

/// Those in which the rows differ.
pub fn varying(rows: &[Row]) -> Vec<Factor> {
    FACTORS.into_iter().filter(|factor| rows.iter().any(|row| (factor.of)(row) != (factor.of)(&rows[0]))).collect()
}

/// The columns of tables of these rows: what all have in common, or none has, is left out.
pub fn columns(rows: &[Row]) -> Vec<Column> {
    let text = |title, cell| Column { title, cell, is_text: true };
    let number = |title, cell| Column { title, cell, is_text: false };
    let mut columns = vec![text("head", |row| row.head.clone())];
    let varying = varying(rows);
    columns.extend(varying.iter().map(|factor| text(factor.title, factor.of)));
    if varying.iter().any(|factor| factor.name == "input") {
        columns.push(text("features", |row| shape(&row.features)));
    }
    columns.extend([
        number("head parameters", |row| thousands(row.head_param_count as u64)),
        number("parameters", |row| thousands(row.param_count as u64)),
        number("MACs", |row| thousands(row.macs)),
    ]);
    if is_trained(rows) {
        columns.extend([
            number("test top-1 (%)", top1),
            number("train top-1 (%)", |row| percent(row.train_top1)),
            number("gap (points)", |row| percent(row.generalisation_gap)),
        ]);
    } else {
        columns.push(number("activations (KiB)", |row| thousands((row.activations as u64 * 4).div_ceil(1024))));
    }
    columns.extend([
        number("training (images/s)", |row| speed(row.train_samples_per_sec)),
        number("inference (images/s)", |row| speed(row.infer_samples_per_sec)),
        number("latency (µs)", |row| speed(row.latency_us)),
    ]);
    columns
}

pub fn is_trained(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.seeds + row.diverged > 0)
}

fn top1(row: &Row) -> String {
    let mut text = percent(row.top1.map(|top1| top1.mean));
    if let Some(sd) = row.top1.and_then(|top1| top1.sd) {
        text += &format!(" ± {sd:.2}");
    }
    if row.diverged > 0 {
        text += &format!(" ({} of {})", row.seeds, row.seeds + row.diverged);
    }
    if row.rising {
        text += " ↗";
    }
    text
}

fn percent(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.2}"))
}

fn speed(measured: Option<Measured>) -> String {
    measured.map_or("–".into(), |Measured { median, spread }| {
        format!("{} ± {:.0} %", thousands(median.round() as u64), 100. * spread)
    })
}

/// As 64x5x5; a dash where it is not known.
pub fn shape(sizes: &[usize]) -> String {
    if sizes.is_empty() { "–".into() } else { sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x") }
}
