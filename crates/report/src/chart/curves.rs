//! Learning curves: the validation accuracy after each epoch.

use std::ptr;

use records::{EpochPoint, Record, Row, distinct};

use super::{
    data::by_network,
    model::{Axis, Chart, ChartKind, DataPoint, Panel},
};
use crate::{document::Figure, error::Result};

/// Draws the learning curves of a suite, the mean over the seeds of each row; `None` without a curve of two epochs. `rows`
/// are aggregated from `records`.
///
/// # Errors
/// Returns [`Error::Plot`](crate::Error::Plot) if the drawing library fails.
pub fn learning_curves(rows: &[Row], records: &[Record]) -> Result<Option<Figure>> {
    let groups: Vec<&[Record]> = records.chunk_by(|a, b| a.config_hash == b.config_hash).collect();
    let heads = distinct(rows.iter().map(|row| row.head.clone()));
    let panels = by_network(rows, None).into_iter().map(|(title, shown)| {
        let of_row = |row: &&Row| {
            let series = heads.iter().position(|head| *head == row.head).unwrap_or_default();
            let place = rows.iter().position(|other| ptr::eq(other, *row));
            let points = mean_curve(place.and_then(|place| groups.get(place)).copied().unwrap_or_default());
            points.into_iter().map(move |(x, y)| DataPoint { series, x, y, ..DataPoint::default() })
        };
        let points: Vec<DataPoint> = shown.iter().flat_map(of_row).collect();
        Panel { title, points, ..Panel::default() }
    });
    let panels: Vec<Panel> = panels.filter(|panel| panel.points.iter().any(|point| point.x > 1.)).collect();
    let axis = |label: &str| Axis { label: label.into(), is_log: false };
    let chart = Chart {
        title: "Learning curves".into(),
        note: "Means over seeds. Runs of more than ten epochs have ten points.".into(),
        x: axis("epochs"),
        y: axis("validation top-1 (%)"),
        // On a common axis, runs of few epochs would be squeezed beside those of many.
        has_own_x: true,
        kind: ChartKind::Lines,
        series: heads,
        panels,
        ..Chart::default()
    };
    chart.figure("learning-curves")
}

/// The number of epochs and the mean validation accuracy in per cent, at each point that all curves have.
fn mean_curve(records: &[Record]) -> Vec<(f64, f64)> {
    let curves: Vec<&[EpochPoint]> =
        records.iter().filter(|record| record.outcome.is_some()).map(|record| record.curve.as_slice()).collect();
    let length = curves.iter().map(|curve| curve.len()).min().unwrap_or_default();
    let point = |place: usize| {
        let values: Option<Vec<f64>> = curves.iter().map(|curve| curve[place].val_top1).collect();
        let values = values?;
        Some(((curves[0][place].epoch + 1) as f64, 100. * values.iter().sum::<f64>() / values.len() as f64))
    };
    (0..length).filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use records::{rows, samples::record};

    use super::*;

    #[test]
    fn a_curve_is_the_mean_over_seeds_and_there_is_no_figure_without_curves() {
        let mut records = [record("fc", 0, 0, 0.98), record("fc", 0, 1, 0.96)];
        let last = records[0].curve.last().unwrap().epoch;
        let points = mean_curve(&records);
        assert_eq!(points.last().unwrap().0, (last + 1) as f64);
        assert!((points.last().unwrap().1 - 97.).abs() < 1e-9, "{points:?}");
        let figure = learning_curves(&rows(&records), &records).unwrap().unwrap();
        assert!(figure.svg.contains("<title>fc, two-conv on mnist-mini: validation top-1 (%) 97"), "{}", figure.svg);
        records.iter_mut().for_each(|record| record.curve.clear());
        assert_eq!(learning_curves(&rows(&records), &records).unwrap(), None);
    }
}
