//! Tables of what a suite measures beyond accuracy.

use super::{by_model, columns::varying, markdown::table};
use crate::aggregate::{Estimate, MeasuredPoint, Row};

/// For each data set and model a table per measure that was taken at several places, and one of the others for each
/// setting; empty where nothing was measured.
pub fn measures(rows: &[Row]) -> String {
    let mut page = String::new();
    let factors = varying(rows);
    for (_, rows) in by_model(rows) {
        for (title, points) in tables(rows) {
            page += &format!("### {} on {}: {title}\n\n", rows[0].model, rows[0].dataset);
            let names: Vec<String> = points.iter().map(heading).collect();
            let mut titles = vec!["head".to_string()];
            titles.extend(factors.iter().map(|factor| factor.title.to_string()));
            let texts = titles.len();
            titles.extend(names);
            let cells = rows.iter().map(|row| {
                let mut cells = vec![row.head.clone()];
                cells.extend(factors.iter().map(|factor| (factor.of)(row)));
                cells.extend(points.iter().map(|point| cell(row, point)));
                cells
            });
            page += &(table(&titles, texts, cells) + "\n");
        }
    }
    if page.is_empty() {
        return page;
    }
    format!(
        "## Measures\n\nIn per cent, mean ± standard deviation over seeds; a dash where a network cannot do it.\n\n{page}"
    )
}

/// The points of each table, values left aside.
fn tables(rows: &[Row]) -> Vec<(String, Vec<MeasuredPoint>)> {
    let mut tables: Vec<(String, Vec<MeasuredPoint>)> = Vec::new();
    for point in rows.iter().flat_map(|row| &row.measures) {
        let place = MeasuredPoint { estimate: None, ..point.clone() };
        let setting = point.setting.as_ref().map(|setting| format!(", {setting}")).unwrap_or_default();
        let title = match point.at {
            Some(_) => format!("{}{setting}", point.measure),
            None => format!("measures{setting}"),
        };
        match tables.iter_mut().find(|(other, _)| *other == title) {
            Some((_, points)) if points.contains(&place) => {}
            Some((_, points)) => points.push(place),
            None => tables.push((title, vec![place])),
        }
    }
    tables
}

fn heading(point: &MeasuredPoint) -> String {
    point.at.map_or_else(|| point.measure.clone(), |at| format!("at {at}"))
}

fn cell(row: &Row, place: &MeasuredPoint) -> String {
    let point = row.measures.iter().find(|point| MeasuredPoint { estimate: None, ..(*point).clone() } == *place);
    match point.and_then(|point| point.estimate) {
        Some(Estimate { mean, sd: Some(sd), .. }) => format!("{mean:.2} ± {sd:.2}"),
        Some(Estimate { mean, .. }) => format!("{mean:.2}"),
        None => "–".into(),
    }
}
