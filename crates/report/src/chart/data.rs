//! From what a suite asks for, and its rows, to charts.

use records::{Estimate, Getter, Metric, Number, Row, distinct};
use statistics::SEEDS_FOR_A_TEST;

use super::{
    Axis, Chart, Kind, Panel, Point,
    spec::{BarsSpec, LineOf, LineSpec, PlotSpec, Quantity, ScatterSpec},
};
use crate::{metric::title, number::capitalised, page::factors::varying};

/// What whiskers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// The 95 % confidence interval of the mean.
    Interval,
    /// The standard deviation: over a few seeds the interval would be long and say little.
    Deviation,
}

/// A number, and half the length of its whisker.
#[derive(Clone, Copy)]
struct Value {
    mean: f64,
    error: Option<f64>,
}

/// The rows of a panel, and a title that names what they have in common.
struct Part<'a> {
    title: String,
    rows: Vec<&'a Row>,
}

impl Chart {
    /// Takes the numbers that a plot shows from the rows.
    pub fn new(spec: &PlotSpec, rows: &[Row]) -> Self {
        match spec {
            PlotSpec::Scatter(ScatterSpec { title, x, y, log, .. }) => {
                let (log_x, log_y) = log.map_or((x.is_count(), false), |log| (log.x(), log.y()));
                quantities(Kind::Points, title.as_deref(), (*x, log_x), (*y, log_y), rows)
            }
            PlotSpec::Line(LineSpec { title, of: LineOf::Quantities { x, y }, log, .. }) => {
                quantities(Kind::Lines, title.as_deref(), (*x, log.x()), (*y, log.y()), rows)
            }
            PlotSpec::Line(LineSpec { title, of: LineOf::Measure { measure, setting, x_label }, log, .. }) => {
                let label = x_label.as_ref().or(setting.as_ref()).map_or("strength", |label| label).replace('_', " ");
                let x = Axis { label, is_log: log.x() };
                let y = Axis { label: measure_label(measure), is_log: log.y() };
                let title = title.clone().unwrap_or_else(|| against(&y, &x));
                let series = heads(rows);
                let panels =
                    measure_panels(rows, std::slice::from_ref(measure), setting.as_deref(), |panel, part, setting| {
                        for row in &part.rows {
                            let own = series.iter().position(|head| *head == row.head).unwrap_or_default();
                            panel.points.extend(
                                measured(row, measure, setting, Spread::of(rows))
                                    .filter_map(|(at, value)| Some(point(own, at?, value))),
                            );
                        }
                    });
                finished(
                    Chart { title, note: String::new(), x, y, kind: Kind::Lines, series, panels },
                    Spread::of(rows).words(),
                )
            }
            PlotSpec::Bars(spec) => bars(spec, rows),
        }
    }
}

/// One quantity against another, a series per head.
fn quantities(kind: Kind, title: Option<&str>, x: (Quantity, bool), y: (Quantity, bool), rows: &[Row]) -> Chart {
    let (series, spread) = (heads(rows), Spread::of(rows));
    let ((x, x_is_log), (y, y_is_log)) = (x, y);
    let mut panels = Vec::new();
    for part in parts(rows, Some(x)) {
        let mut panel = Panel { title: part.title, ..Panel::default() };
        for row in part.rows {
            let own = series.iter().position(|head| *head == row.head).unwrap_or_default();
            let values = value(row, x, spread).zip(value(row, y, spread));
            panel.points.extend(values.map(|(x, y)| point(own, x.mean, y)));
        }
        panels.push(panel);
    }
    let x = Axis { label: x.label(), is_log: x_is_log };
    let whiskers = if y.is_timed() { "the interquartile range over rounds" } else { spread.words() };
    let y = Axis { label: y.label(), is_log: y_is_log };
    let title = title.map_or_else(|| against(&y, &x), str::to_string);
    finished(Chart { title, note: String::new(), x, y, kind, series, panels }, whiskers)
}

fn bars(spec: &BarsSpec, rows: &[Row]) -> Chart {
    let spread = Spread::of(rows);
    // A measure that was taken at several strengths is for lines.
    let only = |row: &Row, measure: &str, setting: Option<&str>| {
        let mut values = measured(row, measure, setting, spread);
        values.next().filter(|_| values.next().is_none()).map(|(_, value)| value)
    };
    let panels = measure_panels(rows, &spec.measures, spec.setting.as_deref(), |panel, part, setting| {
        panel.groups = part.rows.iter().map(|row| row.head.clone()).collect();
        for (group, row) in part.rows.iter().enumerate() {
            for (series, measure) in spec.measures.iter().enumerate() {
                let chance = spec.chance.as_ref().and_then(|chance| only(row, chance.of(measure)?, setting));
                let bar = only(row, measure, setting).map(|value| point(series, group as f64, value));
                panel.points.extend(bar.map(|bar| Point { chance: chance.map(|chance| chance.mean), ..bar }));
            }
        }
    });
    let series: Vec<String> = spec.measures.iter().map(|measure| measure_label(measure)).collect();
    let chart = Chart {
        title: spec.title.clone().unwrap_or_else(|| capitalised(&series.join(", "))),
        note: String::new(),
        x: Axis::default(),
        y: Axis { label: spec.y_label.clone().unwrap_or_default(), is_log: false },
        kind: Kind::Bars,
        series,
        panels,
    };
    finished(chart, spread.words())
}

/// Adds what the reader must know about the marks.
fn finished(mut chart: Chart, whiskers: &str) -> Chart {
    let mut notes = Vec::new();
    if chart.kind == Kind::Bars && chart.series.len() > 1 {
        notes.push("The bars of a group stand in the order of the legend.".to_string());
    }
    if chart.points().any(|point| point.error.is_some()) {
        let hidden =
            if chart.kind == Kind::Bars { "" } else { " A whisker shorter than its marker is hidden behind it." };
        notes.push(format!("Whiskers show {whiskers}.{hidden}"));
    }
    if chart.kind == Kind::Lines && chart.x.is_log && chart.y.is_log {
        let each = if chart.panels.len() > 1 { ", one for each panel" } else { "" };
        notes.push(format!("The legend gives the slopes of the lines, which are exponents{each}."));
    }
    chart.note = notes.join(" ");
    chart
}

/// A panel for each part of the rows and each setting of these measures, or for the one that is asked for.
fn measure_panels(
    rows: &[Row],
    measures: &[String],
    asked: Option<&str>,
    fill: impl Fn(&mut Panel, &Part, Option<&str>),
) -> Vec<Panel> {
    let mut panels = Vec::new();
    for part in parts(rows, None) {
        let mut settings = if asked.is_some() { vec![asked] } else { Vec::new() };
        for point in part.rows.iter().flat_map(|row| &row.measures).filter(|point| measures.contains(&point.measure)) {
            if asked.is_none() && !settings.contains(&point.setting.as_deref()) {
                settings.push(point.setting.as_deref());
            }
        }
        for setting in settings {
            let name = setting.filter(|_| asked.is_none()).map(|setting| format!(", {}", setting.replace('_', " ")));
            let mut panel = Panel { title: part.title.clone() + &name.unwrap_or_default(), ..Panel::default() };
            fill(&mut panel, &part, setting);
            panels.push(panel);
        }
    }
    panels
}

/// The rows by data set, model and every other factor in which they differ, except the one along the horizontal axis.
fn parts(rows: &[Row], x: Option<Quantity>) -> Vec<Part<'_>> {
    let along = match x {
        Some(Quantity::Input) => "input",
        Some(Quantity::TrainSize) => "train_size",
        _ => "",
    };
    let mut factors = varying(rows);
    factors.retain(|factor| factor.name != along);
    let mut parts: Vec<Part> = Vec::new();
    for row in rows {
        let mut title = format!("{} on {}", row.model, row.dataset);
        for factor in factors.iter().map(|factor| factor.words(row)).filter(|factor| !factor.is_empty()) {
            title += &format!(", {factor}");
        }
        match parts.iter_mut().find(|part| part.title == title) {
            Some(part) => part.rows.push(row),
            None => parts.push(Part { title, rows: vec![row] }),
        }
    }
    parts
}

/// All heads in the order of the table, so that a head has one colour in all plots of a suite.
fn heads(rows: &[Row]) -> Vec<String> {
    distinct(rows.iter().map(|row| row.head.clone()))
}

/// The value of a quantity in a row; `None` if the row has none.
fn value(row: &Row, quantity: Quantity, spread: Spread) -> Option<Value> {
    match quantity {
        Quantity::Input => side(&row.input).map(Value::exact),
        Quantity::TrainSize => Some(Value::exact(row.train_size as f64)),
        Quantity::Metric(metric) => match metric.value(row)? {
            Number::Count(count) => Some(Value::exact(count as f64)),
            Number::Exact(value) => Some(Value::exact(value)),
            Number::Mean(estimate) => Some(spread.value(estimate)),
            Number::Timed(timed) => Some(Value { mean: timed.median, error: Some(timed.median * timed.spread / 2.) }),
        },
    }
}

/// The strengths at which a measure was taken under this setting, and its values.
fn measured(
    row: &Row,
    measure: &str,
    setting: Option<&str>,
    spread: Spread,
) -> impl Iterator<Item = (Option<f64>, Value)> {
    let points =
        row.measures.iter().filter(move |point| point.measure == measure && point.setting.as_deref() == setting);
    points.filter_map(move |point| Some((point.at, spread.value(point.estimate?))))
}

/// The side of a square with as many pixels as an input of this shape.
fn side(input: &str) -> Option<f64> {
    let sizes: Option<Vec<f64>> = input.split('x').skip(1).map(|size| size.parse().ok()).collect();
    let sizes = sizes.filter(|sizes| !sizes.is_empty())?;
    Some(sizes.iter().product::<f64>().powf(1. / sizes.len() as f64))
}

fn point(series: usize, x: f64, Value { mean: y, error }: Value) -> Point {
    Point { series, x, y, error, chance: None }
}

fn against(y: &Axis, x: &Axis) -> String {
    capitalised(&format!("{} against {}", y.label, x.label))
}

/// The label of the metric of this name, taken under other conditions, or else the name itself.
fn measure_label(measure: &str) -> String {
    measure.parse::<Metric>().map_or_else(|_| measure.replace('_', " "), title)
}

impl Quantity {
    fn label(self) -> String {
        match self {
            Self::Input => "side of the input (pixels)".into(),
            Self::TrainSize => "training images".into(),
            Self::Metric(metric) => title(metric),
        }
    }

    /// Whether it is a time or a speed, whose whiskers do not come from seeds.
    fn is_timed(self) -> bool {
        matches!(self, Self::Metric(metric) if matches!(metric.getter(), Getter::Timed(_)))
    }
}

impl Value {
    fn exact(mean: f64) -> Self {
        Self { mean, error: None }
    }
}

impl Spread {
    /// The same for all that one suite shows.
    fn of(rows: &[Row]) -> Self {
        let is_enough = |row: &Row| row.seeds == 0 || row.seeds >= SEEDS_FOR_A_TEST;
        if rows.iter().all(is_enough) { Self::Interval } else { Self::Deviation }
    }

    fn value(self, Estimate { mean, sd, ci95 }: Estimate) -> Value {
        Value { mean, error: if self == Self::Interval { ci95 } else { sd } }
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
