use super::model::{Chart, ChartKind, DataPoint, Panel};
use crate::number::fixed;

/// A line of the legend.
pub struct LegendEntry {
    /// The series; `None` for the line of chance.
    pub series: Option<usize>,
    /// Its name.
    pub text: String,
}

/// The entries of all series that have points, and of the line of chance if there is one. Lines have none, because their names
/// stand at their ends, and neither have dots of which each row is a series.
pub fn legend(chart: &Chart) -> Vec<LegendEntry> {
    let is_own_row = |point: &DataPoint| {
        let name = |panel: &Panel| panel.groups.get(point.y as usize) == Some(&chart.series[point.series]);
        chart.panels.iter().any(name)
    };
    match chart.kind {
        ChartKind::Lines => return Vec::new(),
        ChartKind::Dots if chart.points().all(is_own_row) => return Vec::new(),
        _ => {}
    }
    let has_points = |&series: &usize| chart.points().any(|point| point.series == series);
    let entry = |series: usize| LegendEntry { series: Some(series), text: chart.series[series].clone() };
    let mut entries: Vec<LegendEntry> = (0..chart.series.len()).filter(has_points).map(entry).collect();
    if chart.points().any(|point| point.chance.is_some()) {
        entries.push(LegendEntry { series: None, text: "chance".into() });
    }
    entries
}

/// The name of a series at the end of its line, with the slope where both axes are logarithmic.
pub fn name_of_line(chart: &Chart, panel: &Panel, series: usize) -> String {
    let slope = slope(panel, series).filter(|_| chart.has_slopes());
    chart.series[series].clone() + &slope.map(|slope| format!(" {}", fixed(slope, 2))).unwrap_or_default()
}

/// The slope of a series by least squares over the logarithms; `None` for fewer than two different x.
fn slope(panel: &Panel, series: usize) -> Option<f64> {
    let points: Vec<(f64, f64)> =
        panel.points.iter().filter(|point| point.series == series).map(|point| (point.x.ln(), point.y.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (variance > 1e-12).then(|| covariance / variance)
}
