use super::model::{Chart, Panel};
use crate::number::{NONE, fixed};

/// A line of the legend.
pub struct LegendEntry {
    /// The series; `None` for the line of chance.
    pub series: Option<usize>,
    /// Its name and, where both axes are logarithmic, the slope of its line in each panel.
    pub text: String,
}

/// The entries of all series that have points, and of the line of chance if there is one.
pub fn legend(chart: &Chart) -> Vec<LegendEntry> {
    let has_points = |&series: &usize| chart.points().any(|point| point.series == series);
    let entry = |series: usize| LegendEntry {
        series: Some(series),
        text: chart.series[series].clone() + &slopes(chart, series),
    };
    let mut entries: Vec<LegendEntry> = (0..chart.series.len()).filter(has_points).map(entry).collect();
    if chart.points().any(|point| point.chance.is_some()) {
        entries.push(LegendEntry { series: None, text: "chance".into() });
    }
    entries
}

fn slopes(chart: &Chart, series: usize) -> String {
    let slopes: Vec<Option<f64>> = chart.panels.iter().map(|panel| slope(panel, series)).collect();
    if !chart.has_slopes() || slopes.iter().all(Option::is_none) {
        return String::new();
    }
    let text = |slope: &Option<f64>| slope.map_or_else(|| NONE.into(), |slope| fixed(slope, 2));
    format!(" {}", slopes.iter().map(text).collect::<Vec<_>>().join(", "))
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
