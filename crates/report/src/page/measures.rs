//! Tables of what a suite measures beyond accuracy.

use records::{Estimate, MeasuredPoint, Row};

use super::factors::{by_model, varying};
use crate::{
    document::{Cell, Column, Document, Table},
    number::{NONE, fixed},
};

/// Appends what the measures mean and, for each data set and model, a table per measure that was taken at several strengths
/// and one of all other measures per setting; nothing if nothing was measured.
pub fn measures(page: &mut Document, rows: &[Row], explanations: &[(&str, &str)]) {
    if rows.iter().all(|row| row.measures.is_empty()) {
        return;
    }
    page.heading(1, "Measures");
    page.paragraph(
        "Means ± standard deviation over seeds, in per cent. A dash marks a network that cannot be measured, and \
         “(2 of 10)” a mean over the seeds that can.",
    );
    page.list(explanations.iter().map(|(name, meaning)| format!("`{name}`: {meaning}")));
    let factors = varying(rows);
    for rows in by_model(rows) {
        for (title, points) in groups(rows) {
            page.heading(2, format!("{} on {}: {title}", rows[0].model, rows[0].dataset));
            let names = [Column::key("head")].into_iter().chain(factors.iter().map(|factor| Column::key(factor.title)));
            let mut table = Table::new(names.chain(points.iter().map(|point| Column::number(heading(point)))));
            for row in rows {
                let names = [row.head.clone()].into_iter().chain(factors.iter().map(|factor| (factor.of)(row)));
                table.push(names.map(Cell::from).chain(points.iter().map(|place| cell(row, place))));
            }
            page.table(table);
        }
    }
}

/// The titles of the tables, and the places at which their columns were measured, without values.
fn groups(rows: &[Row]) -> Vec<(String, Vec<MeasuredPoint>)> {
    let mut groups: Vec<(String, Vec<MeasuredPoint>)> = Vec::new();
    for point in rows.iter().flat_map(|row| &row.measures) {
        let place = MeasuredPoint { estimate: None, ..point.clone() };
        let setting = point.setting.as_ref().map(|setting| format!(", {setting}")).unwrap_or_default();
        let title = match point.at {
            Some(_) => format!("{}{setting}", point.measure),
            None => format!("measures{setting}"),
        };
        match groups.iter_mut().find(|(other, _)| *other == title) {
            Some((_, places)) if places.contains(&place) => {}
            Some((_, places)) => places.push(place),
            None => groups.push((title, vec![place])),
        }
    }
    groups
}

fn heading(place: &MeasuredPoint) -> String {
    place.at.map_or_else(|| place.measure.clone(), |at| format!("at {at}"))
}

fn cell(row: &Row, place: &MeasuredPoint) -> Cell {
    let point = row.measures.iter().find(|point| MeasuredPoint { estimate: None, ..(*point).clone() } == *place);
    match point.and_then(|point| point.estimate) {
        Some(estimate) => {
            let some =
                if estimate.n < row.seeds { format!(" ({} of {})", estimate.n, row.seeds) } else { String::new() };
            Cell::number(mean_and_deviation(estimate, 2) + &some, estimate.mean)
        }
        None => NONE.into(),
    }
}

/// A mean, and the standard deviation if there are several seeds: `97.50 ± 0.09`.
pub fn mean_and_deviation(Estimate { mean, sd, .. }: Estimate, digits: usize) -> String {
    fixed(mean, digits) + &sd.map(|sd| format!(" ± {}", fixed(sd, digits))).unwrap_or_default()
}
