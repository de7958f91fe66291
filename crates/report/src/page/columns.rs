//! The columns of a suite's tables.

use records::{Estimate, Measured, Metric, Number, Row};

use super::{factors::varying, measures::mean_and_deviation};
use crate::{
    document::{Cell, Column, Table},
    metric::{digits, title},
    number::{NONE, count, fixed, shape, whole},
};

/// Builds a table of some of a suite's rows. All tables of a suite have the same columns: the factors in which its rows,
/// `all`, differ, and the metrics that at least one of them has.
pub fn table(rows: &[Row], all: &[Row]) -> Table {
    let factors = varying(all);
    let has_features = factors.iter().any(|factor| factor.name == "input");
    let metrics: Vec<Metric> = Metric::ALL.iter().copied().filter(|&metric| is_shown(metric, all)).collect();
    let names = ["head"].into_iter().chain(factors.iter().map(|factor| factor.title)).map(Column::key);
    let features = has_features.then(|| Column::text("features"));
    let numbers = metrics.iter().map(|&metric| Column::number(title(metric)));
    let mut table = Table::new(names.chain(features).chain(numbers));
    for row in rows {
        let names = [row.head.clone()].into_iter().chain(factors.iter().map(|factor| (factor.of)(row)));
        let features = has_features.then(|| shape(&row.features));
        let numbers = metrics.iter().map(|&metric| cell(metric, row));
        table.push(names.chain(features).map(Cell::from).chain(numbers));
    }
    table
}

/// Returns whether a metric has a column: where a row has it, activations only where nothing is trained, and errors nowhere,
/// because accuracies say the same.
fn is_shown(metric: Metric, rows: &[Row]) -> bool {
    match metric {
        Metric::Activations => !is_trained(rows),
        Metric::Top1Err => false,
        _ => rows.iter().any(|row| metric.value(row).is_some()),
    }
}

/// Returns whether any of the rows was trained.
pub fn is_trained(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.seeds + row.diverged > 0)
}

fn cell(metric: Metric, row: &Row) -> Cell {
    let Some(number) = metric.value(row) else { return Cell::from(marked(metric, row, NONE.into())) };
    let (text, value) = match number {
        Number::Count(value) => (count(value), value as f64),
        Number::Exact(value) => (fixed(value, 2), value),
        Number::Mean(estimate) => (marked(metric, row, mean_and_deviation(estimate, digits(metric))), estimate.mean),
        Number::Timed(Measured { median, spread }) => {
            (format!("{} ± {} %", whole(median), whole(100. * spread)), median)
        }
    };
    Cell::number(text, value)
}

/// Adds to a test accuracy that runs diverged, and that it was still rising, and to a number that not all finished runs have
/// how many have it.
fn marked(metric: Metric, row: &Row, mut text: String) -> String {
    let all = row.seeds + row.diverged;
    match metric.value(row) {
        _ if metric == Metric::Top1 && row.diverged > 0 => text += &format!(" ({} of {all})", row.seeds),
        Some(Number::Mean(Estimate { n, .. })) if n < row.seeds => text += &format!(" ({n} of {all})"),
        _ => {}
    }
    if metric == Metric::Top1 && row.rising {
        text += " ↗";
    }
    text
}
