//! From what a suite asks for to what is drawn.

use anyhow::Result;
use serde::{Deserialize, de::IntoDeserializer};

use super::{
    bars::{Bar, BarChart, BarPanel, Group},
    points::{Axis, Joined, Panel, Point, PointChart, Series},
    rows::{Spread, Value, heads, measured, parts, settings, value},
    spec::{BarsSpec, Column, LineOf, LineSpec, PlotSpec, ScatterSpec},
};
use crate::aggregate::Row;

pub enum Chart {
    Points(PointChart),
    Bars(BarChart),
}

const INTERVAL: &str = "Whiskers: 95 % confidence interval of the mean over seeds.";
const DEVIATION: &str = "Whiskers: standard deviation over seeds.";
const QUARTILES: &str = "Whiskers: interquartile range over rounds.";

impl Chart {
    pub fn new(spec: &PlotSpec, rows: &[Row]) -> Self {
        match spec {
            PlotSpec::Scatter(spec) => Self::Points(scatter(spec, rows)),
            PlotSpec::Line(spec) => Self::Points(lines(spec, rows)),
            PlotSpec::Bars(spec) => Self::Bars(bars(spec, rows)),
        }
    }

    /// None where there is nothing to draw.
    pub fn svg(&self) -> Result<Option<String>> {
        match self {
            Self::Points(chart) => chart.svg(),
            Self::Bars(chart) => chart.svg(),
        }
    }

    /// For who can't see it.
    pub fn alternative_text(&self) -> String {
        let (title, panels): (_, Vec<&str>) = match self {
            Self::Points(chart) => (&chart.title, chart.panels.iter().map(|panel| panel.title.as_str()).collect()),
            Self::Bars(chart) => (&chart.title, chart.panels.iter().map(|panel| panel.title.as_str()).collect()),
        };
        format!("{title}: {}", panels.join("; "))
    }
}

fn scatter(spec: &ScatterSpec, rows: &[Row]) -> PointChart {
    let (log_x, log_y) = spec.log.map_or((spec.x.is_count(), false), |log| (log.x(), log.y()));
    columns((spec.x, log_x), (spec.y, log_y), spec.title.as_deref(), Joined::Named, rows)
}

fn lines(spec: &LineSpec, rows: &[Row]) -> PointChart {
    let title = spec.title.as_deref();
    let (measure, setting, x_label) = match &spec.of {
        LineOf::Columns { x, y } => {
            return columns((*x, spec.log.x()), (*y, spec.log.y()), title, Joined::Line, rows);
        }
        LineOf::Measure { measure, setting, x_label } => (measure, setting.as_deref(), x_label.as_deref()),
    };
    let (names, spread) = (heads(rows), Spread::over(rows));
    let mut panels = Vec::new();
    for part in parts(rows, None) {
        for (setting, title) in settings_of(&part.rows, &part.title, std::slice::from_ref(measure), setting) {
            let series = |row: &&Row| {
                let values = measured(row, measure, setting, spread).into_iter();
                let points = values.filter_map(|(at, value)| Some(point(at?, value))).collect();
                Series { name: place(&names, &row.head), points }
            };
            panels.push(Panel { title, series: part.rows.iter().map(series).collect() });
        }
    }
    let x_label = x_label.or(setting).unwrap_or("strength").replace('_', " ");
    let y_label = measure_label(measure);
    let note = note(&panels, over_seeds(spread));
    PointChart {
        title: title.map_or_else(|| against(&y_label, &x_label), str::to_string),
        note,
        x: Axis { label: x_label, log: spec.log.x() },
        y: Axis { label: y_label, log: spec.log.y() },
        joined: Joined::Line,
        names,
        panels,
    }
}

/// One column against another, a series per head.
fn columns(
    (x, log_x): (Column, bool),
    (y, log_y): (Column, bool),
    title: Option<&str>,
    joined: Joined,
    rows: &[Row],
) -> PointChart {
    let (names, spread) = (heads(rows), Spread::over(rows));
    let mut panels = Vec::new();
    for part in parts(rows, Some(x)) {
        let series = |(name, head): (usize, &String)| {
            let rows = part.rows.iter().filter(|row| row.head == *head);
            let points =
                rows.filter_map(|row| Some(point(value(row, x, spread)?.mean, value(row, y, spread)?))).collect();
            Series { name, points }
        };
        let series = names.iter().enumerate().map(series).collect();
        panels.push(Panel { title: part.title, series });
    }
    let is_speed = matches!(y, Column::TrainSamplesPerSec | Column::InferSamplesPerSec | Column::LatencyUs);
    let note = note(&panels, if is_speed { QUARTILES } else { over_seeds(spread) });
    PointChart {
        title: title.map_or_else(|| against(y.label(), x.label()), str::to_string),
        note,
        x: Axis { label: x.label().into(), log: log_x },
        y: Axis { label: y.label().into(), log: log_y },
        joined,
        names,
        panels,
    }
}

fn bars(spec: &BarsSpec, rows: &[Row]) -> BarChart {
    let names: Vec<String> = spec.measures.iter().map(|measure| measure_label(measure)).collect();
    let (spread, mut panels) = (Spread::over(rows), Vec::new());
    for part in parts(rows, None) {
        for (setting, title) in settings_of(&part.rows, &part.title, &spec.measures, spec.setting.as_deref()) {
            // What was taken at several strengths is for lines.
            let only = |row: &Row, measure: &str| match measured(row, measure, setting, spread).as_slice() {
                [(_, value)] => Some(*value),
                _ => None,
            };
            let bar = |row: &Row, measure: &String| {
                let Value { mean: height, error } = only(row, measure)?;
                let chance = spec.chance.as_ref().and_then(|chance| only(row, chance.of(measure)?));
                Some(Bar { height, error, chance: chance.map(|chance| chance.mean) })
            };
            let group = |row: &&Row| Group {
                name: row.head.clone(),
                bars: spec.measures.iter().map(|measure| bar(row, measure)).collect(),
            };
            panels.push(BarPanel { title, groups: part.rows.iter().map(group).collect() });
        }
    }
    let all = panels.iter().flat_map(|panel| &panel.groups).flat_map(|group| &group.bars);
    let has_whiskers = all.flatten().any(|bar| bar.error.is_some());
    BarChart {
        title: spec.title.clone().unwrap_or_else(|| capitalised(&names.join(", "))),
        note: if has_whiskers { over_seeds(spread).into() } else { String::new() },
        y_label: spec.y_label.clone().unwrap_or_default(),
        names,
        panels,
    }
}

/// The setting that is asked for, or else all there are, and what the panel of each is called.
fn settings_of<'a>(
    rows: &[&'a Row],
    title: &str,
    measures: &[String],
    asked: Option<&'a str>,
) -> Vec<(Option<&'a str>, String)> {
    if asked.is_some() {
        return vec![(asked, title.into())];
    }
    let with_title = |setting: Option<&'a str>| {
        (setting, setting.map_or_else(|| title.into(), |setting| format!("{title}, {}", setting.replace('_', " "))))
    };
    settings(rows, measures).into_iter().map(with_title).collect()
}

fn point(x: f64, Value { mean: y, error }: Value) -> Point {
    Point { x, y, error }
}

fn place(names: &[String], name: &str) -> usize {
    names.iter().position(|other| other == name).unwrap_or_default()
}

fn note(panels: &[Panel], whiskers: &str) -> String {
    let mut points = panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let has_whiskers = points.any(|point| point.error.is_some());
    if has_whiskers { format!("{whiskers} Those shorter than a marker lie behind it.") } else { String::new() }
}

fn over_seeds(spread: Spread) -> &'static str {
    match spread {
        Spread::Interval => INTERVAL,
        Spread::Deviation => DEVIATION,
    }
}

fn against(y: &str, x: &str) -> String {
    capitalised(&format!("{y} against {x}"))
}

/// That of the column where a measure is one, taken under other conditions.
fn measure_label(measure: &str) -> String {
    let deserializer: serde::de::value::StrDeserializer<serde::de::value::Error> = measure.into_deserializer();
    Column::deserialize(deserializer).map_or_else(|_| measure.replace('_', " "), |column| column.label().into())
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
