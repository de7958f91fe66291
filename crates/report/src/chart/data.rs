//! Builds charts from the plots that a suite asks for and its rows.

use records::{Estimate, Getter, Metric, Number, Row, distinct};
use statistics::SEEDS_FOR_A_TEST;

use super::{
    model::{Axis, Chart, ChartKind, DataPoint, Panel},
    quantity::AxisQuantity,
    spec::{Content, PlotSpec},
};
use crate::{metric::title, number::capitalised, page::factors::varying};

/// The meaning of whiskers, the same in all plots of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// The 95 % confidence interval of the mean.
    Interval,
    /// The standard deviation: over a few seeds the interval would be long and say little.
    Deviation,
}

/// The rows of a panel, and a title that names what they have in common.
pub type Part<'a> = (String, Vec<&'a Row>);

impl Chart {
    /// Takes the numbers that a plot shows from the rows.
    pub fn new(spec: &PlotSpec, rows: &[Row]) -> Self {
        let spread = Spread::of(rows);
        // All heads in the order of the table, so that a head has one colour in all plots of a suite.
        let heads = distinct(rows.iter().map(|row| row.head.clone()));
        let head = |row: &Row| heads.iter().position(|head| *head == row.head).unwrap_or_default();
        let (kind, x, y, panels) = match &spec.content {
            Content::Quantities { x, y, has_lines } => {
                let point = |row: &&Row| {
                    let (x, y) = value(row, *x, spread).zip(value(row, *y, spread))?;
                    Some(DataPoint { series: head(row), x: x.y, ..y })
                };
                let panel = |(title, rows): Part| Panel {
                    title,
                    points: rows.iter().filter_map(point).collect(),
                    ..Panel::default()
                };
                let kind = if *has_lines { ChartKind::Lines } else { ChartKind::Points };
                (kind, x.label(), y.label(), by_network(rows, Some(*x)).into_iter().map(panel).collect())
            }
            Content::Measure { measure, setting, x_label } => {
                let x = x_label.as_ref().or(setting.as_ref()).map_or("strength", |label| label).replace('_', " ");
                let panels = measure_panels(rows, &[measure.as_str()], setting.as_deref(), |panel, rows, setting| {
                    for row in rows {
                        let points = measured(row, measure, setting, spread);
                        panel
                            .points
                            .extend(points.filter_map(|(at, y)| Some(DataPoint { series: head(row), x: at?, ..y })));
                    }
                });
                let is_metric = measure.parse::<Metric>().is_ok();
                (ChartKind::Lines, x, measure_label(measure) + if is_metric { "" } else { " (%)" }, panels)
            }
            Content::Dots { x, by_model } => {
                let group = |row: &Row| if *by_model { row.model.clone() } else { row.head.clone() };
                let panel = |(title, rows): Part| {
                    let groups = distinct(rows.iter().map(|row| group(row)));
                    let place =
                        |row: &Row| groups.iter().position(|name| *name == group(row)).unwrap_or_default() as f64;
                    let dot = |row: &&Row| {
                        let value = value(row, *x, spread)?;
                        Some(DataPoint { series: head(row), x: value.y, y: place(row), ..value })
                    };
                    let points = rows.iter().filter_map(dot).collect();
                    Panel { title, points, groups, ..Panel::default() }
                };
                let panels =
                    if *by_model { parts(rows, |row| row.dataset.clone(), None) } else { by_network(rows, None) };
                (ChartKind::Dots, x.label(), String::new(), panels.into_iter().map(panel).collect())
            }
            Content::Bars { bars, setting, y_label } => {
                let measures: Vec<&str> = bars.iter().map(|(measure, _)| measure.as_str()).collect();
                let panels = measure_panels(rows, &measures, setting.as_deref(), |panel, rows, setting| {
                    panel.groups = bars.iter().map(|(measure, _)| measure_label(measure)).collect();
                    for row in rows {
                        // A measure that was taken at several strengths is for lines.
                        let only = |measure: &str| {
                            let mut values = measured(row, measure, setting, spread);
                            values.next().filter(|_| values.next().is_none()).map(|(_, value)| value)
                        };
                        let bar = |(group, (measure, chance)): (usize, &(String, Option<String>))| {
                            let chance = chance.as_deref().and_then(only).map(|chance| chance.y);
                            only(measure).map(|bar| DataPoint { series: head(row), x: group as f64, chance, ..bar })
                        };
                        panel.points.extend(bars.iter().enumerate().filter_map(bar));
                    }
                });
                (ChartKind::Bars, String::new(), y_label.clone().unwrap_or_default(), panels)
            }
        };
        let series = heads;
        let title = spec.title.clone().unwrap_or_else(|| match kind {
            ChartKind::Bars => capitalised(&panels.first().map(|panel| panel.groups.join(", ")).unwrap_or_default()),
            ChartKind::Dots => capitalised(&x),
            _ => capitalised(&format!("{y} against {x}")),
        });
        let is_timed = |quantity: &AxisQuantity| matches!(quantity, AxisQuantity::Metric(metric) if matches!(metric.getter(), Getter::Timed(..)));
        let whiskers = match &spec.content {
            Content::Quantities { y: quantity, .. } | Content::Dots { x: quantity, .. } if is_timed(quantity) => {
                "the interquartile range over rounds"
            }
            _ => spread.words(),
        };
        let [x, y] = [(x, spec.is_log[0]), (y, spec.is_log[1])].map(|(label, is_log)| Axis { label, is_log });
        let guides = spec.guides.clone();
        let mut chart = Self { title, x, y, kind, guides, series, panels, ..Self::default() };
        chart.note = note(&chart, whiskers);
        chart
    }
}

/// Explains the marks to the reader.
fn note(chart: &Chart, whiskers: &str) -> String {
    let mut notes: Vec<String> = Vec::new();
    if chart.kind == ChartKind::Bars && chart.series.len() > 1 {
        notes.push("The bars of a group stand in the order of the legend.".into());
    }
    if chart.points().any(|point| point.error.is_some()) {
        let hidden =
            if chart.kind == ChartKind::Bars { "" } else { " A whisker shorter than its marker is hidden behind it." };
        notes.push(format!("Whiskers show {whiskers}.{hidden}"));
    }
    if chart.has_slopes() {
        notes.push("The numbers at the lines are their slopes, which are exponents.".into());
    }
    if !chart.guides.marks.is_empty() {
        notes.push(format!("Vertical lines mark {}.", chart.guides.marks_label));
    }
    notes.join(" ")
}

/// A panel for each part of the rows and each setting of these measures, or for the one that is asked for.
fn measure_panels(
    rows: &[Row],
    measures: &[&str],
    asked: Option<&str>,
    fill: impl Fn(&mut Panel, &[&Row], Option<&str>),
) -> Vec<Panel> {
    let mut panels = Vec::new();
    for (title, rows) in by_network(rows, None) {
        let points = rows.iter().flat_map(|row| &row.measures);
        let shown = points.filter(|point| measures.contains(&point.measure.as_str()));
        let settings = match asked {
            Some(_) => vec![asked],
            None => distinct(shown.map(|point| point.setting.as_deref())),
        };
        for setting in settings {
            let name = setting.filter(|_| asked.is_none()).map(|setting| format!(", {}", setting.replace('_', " ")));
            let mut panel = Panel { title: title.clone() + &name.unwrap_or_default(), ..Panel::default() };
            fill(&mut panel, &rows, setting);
            panels.push(panel);
        }
    }
    panels
}

/// The rows by data set, model and every other factor in which they differ, except the one along the horizontal axis.
pub fn by_network(rows: &[Row], x: Option<AxisQuantity>) -> Vec<Part<'_>> {
    parts(rows, |row| format!("{} on {}", row.model, row.dataset), x)
}

/// The rows by a title and every factor in which they differ, except the one along the horizontal axis.
fn parts(rows: &[Row], title: impl Fn(&Row) -> String, x: Option<AxisQuantity>) -> Vec<Part<'_>> {
    let along = match x {
        Some(AxisQuantity::Input) => "input",
        Some(AxisQuantity::TrainSize) => "train_size",
        _ => "",
    };
    let factors: Vec<_> = varying(rows).into_iter().filter(|factor| factor.name != along).collect();
    let mut parts: Vec<Part> = Vec::new();
    for row in rows {
        let mut title = title(row);
        for factor in factors.iter().map(|factor| factor.words(row)).filter(|factor| !factor.is_empty()) {
            title += &format!(", {factor}");
        }
        match parts.iter_mut().find(|(other, _)| *other == title) {
            Some((_, rows)) => rows.push(row),
            None => parts.push((title, vec![row])),
        }
    }
    parts
}

/// A point at the height of a quantity in a row; `None` if the row has none.
fn value(row: &Row, quantity: AxisQuantity, spread: Spread) -> Option<DataPoint> {
    let exact = |y| DataPoint { y, ..DataPoint::default() };
    match quantity {
        AxisQuantity::Input => side(&row.input).map(exact),
        AxisQuantity::TrainSize => Some(exact(row.train_size as f64)),
        AxisQuantity::Metric(metric) => Some(match metric.value(row)? {
            Number::Count(count) => exact(count as f64),
            Number::Exact(value) => exact(value),
            Number::Mean(estimate) => spread.point(estimate),
            Number::Timed(timed) => DataPoint { error: Some(timed.median * timed.spread / 2.), ..exact(timed.median) },
        }),
    }
}

/// The strengths at which a measure was taken under this setting, and points at the height of its values.
fn measured(
    row: &Row,
    measure: &str,
    setting: Option<&str>,
    spread: Spread,
) -> impl Iterator<Item = (Option<f64>, DataPoint)> {
    let points =
        row.measures.iter().filter(move |point| point.measure == measure && point.setting.as_deref() == setting);
    points.filter_map(move |point| Some((point.at, spread.point(point.estimate?))))
}

/// The side of a square with as many pixels as an input of this shape.
fn side(input: &str) -> Option<f64> {
    let sizes: Option<Vec<f64>> = input.split('x').skip(1).map(|size| size.parse().ok()).collect();
    let sizes = sizes.filter(|sizes| !sizes.is_empty())?;
    Some(sizes.iter().product::<f64>().powf(1. / sizes.len() as f64))
}

/// The label of the metric of this name, taken under other conditions, or else the name itself.
fn measure_label(measure: &str) -> String {
    measure.parse::<Metric>().map_or_else(|_| measure.replace('_', " "), title)
}

impl Spread {
    fn of(rows: &[Row]) -> Self {
        let is_enough = |row: &Row| row.seeds == 0 || row.seeds >= SEEDS_FOR_A_TEST;
        if rows.iter().all(is_enough) { Self::Interval } else { Self::Deviation }
    }

    fn point(self, Estimate { mean, sd, ci95, .. }: Estimate) -> DataPoint {
        DataPoint { y: mean, error: if self == Self::Interval { ci95 } else { sd }, ..DataPoint::default() }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Interval => "the 95 % confidence interval of the mean over seeds",
            Self::Deviation => "the standard deviation over seeds",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_of_an_input_is_that_of_a_square_with_as_many_pixels() {
        assert_eq!(side("1x28x28"), Some(28.));
        assert_eq!(side("3x32x128").map(f64::round), Some(64.));
        assert_eq!(side("26x2500"), Some(2500.));
        assert_eq!((side(""), side("axb")), (None, None));
    }
}
