//! From the rows of a table to the numbers of a plot.

use super::{super::SEEDS_FOR_A_TEST, spec::Column};
use crate::{
    aggregate::{Estimate, Row},
    record::Measured,
};

/// A number, and half the length of its whisker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    pub mean: f64,
    pub error: Option<f64>,
}

/// What is shown about the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// The mean's 95 % confidence interval.
    Interval,
    /// The standard deviation: of a few seeds the interval would say little, and hide the rest by its length.
    Deviation,
}

/// A panel's title, which names all that its rows have in common and others lack, and the rows.
pub struct Part<'a> {
    pub title: String,
    pub rows: Vec<&'a Row>,
}

/// The rows by data set, model and all other factors in which they differ, but for the one along the axis of x.
pub fn parts(rows: &[Row], x: Option<Column>) -> Vec<Part<'_>> {
    type Factor = (Option<Column>, fn(&Row) -> String);
    let factors: [Factor; 3] = [
        (Some(Column::Input), |row| row.input.clone()),
        (Some(Column::TrainSize), |row| format!("{} images", row.train_size)),
        (None, |row| row.setting.clone()),
    ];
    let differ = |of: fn(&Row) -> String| rows.iter().any(|row| of(row) != of(&rows[0]));
    let apart: Vec<_> =
        factors.into_iter().filter(|&(column, of)| (column.is_none() || column != x) && differ(of)).collect();

    let mut parts: Vec<Part> = Vec::new();
    for row in rows {
        let mut title = format!("{} on {}", row.model, row.dataset);
        for factor in apart.iter().map(|(_, of)| of(row)).filter(|factor| !factor.is_empty()) {
            title += &format!(", {factor}");
        }
        match parts.iter_mut().find(|part| part.title == title) {
            Some(part) => part.rows.push(row),
            None => parts.push(Part { title, rows: vec![row] }),
        }
    }
    parts
}

/// All heads, in the order of the table: a head looks alike in all plots of a suite.
pub fn heads(rows: &[Row]) -> Vec<String> {
    let mut heads: Vec<String> = Vec::new();
    for row in rows {
        if !heads.contains(&row.head) {
            heads.push(row.head.clone());
        }
    }
    heads
}

/// None where the row has no such number.
pub fn value(row: &Row, column: Column, spread: Spread) -> Option<Value> {
    let exact = |mean: f64| Some(Value { mean, error: None });
    match column {
        Column::Input => exact(side(&row.input)?),
        Column::TrainSize => exact(row.train_size as f64),
        Column::ParamCount => exact(row.param_count as f64),
        Column::HeadParamCount => exact(row.head_param_count as f64),
        Column::Macs => exact(row.macs as f64),
        Column::Activations => exact(row.activations as f64),
        Column::Top1 => row.top1.map(|top1| spread.of(top1)),
        Column::TrainTop1 => exact(row.train_top1?),
        Column::GeneralisationGap => exact(row.generalisation_gap?),
        Column::TrainSamplesPerSec => row.train_samples_per_sec.map(Value::from),
        Column::InferSamplesPerSec => row.infer_samples_per_sec.map(Value::from),
        Column::LatencyUs => row.latency_us.map(Value::from),
    }
}

/// A measure's strengths and values under this setting, weakest first.
pub fn measured(row: &Row, measure: &str, setting: Option<&str>, spread: Spread) -> Vec<(Option<f64>, Value)> {
    let points = row.measures.iter().filter(|point| point.measure == measure && point.setting.as_deref() == setting);
    points.filter_map(|point| Some((point.at, spread.of(point.estimate?)))).collect()
}

/// Those under which a measure was taken, in order of appearance.
pub fn settings<'a>(rows: &[&'a Row], measures: &[String]) -> Vec<Option<&'a str>> {
    let mut settings = Vec::new();
    for point in rows.iter().flat_map(|row| &row.measures).filter(|point| measures.contains(&point.measure)) {
        if !settings.contains(&point.setting.as_deref()) {
            settings.push(point.setting.as_deref());
        }
    }
    settings
}

/// Of a square with as many pixels.
fn side(input: &str) -> Option<f64> {
    let sizes: Option<Vec<f64>> = input.split('x').skip(1).map(|size| size.parse().ok()).collect();
    let sizes = sizes.filter(|sizes| !sizes.is_empty())?;
    Some(sizes.iter().product::<f64>().powf(1. / sizes.len() as f64))
}

impl Spread {
    /// The same for all that one plot shows.
    pub fn over(rows: &[Row]) -> Self {
        let enough = |row: &Row| row.seeds == 0 || row.seeds >= SEEDS_FOR_A_TEST;
        if rows.iter().all(enough) { Self::Interval } else { Self::Deviation }
    }

    fn of(self, Estimate { mean, sd, ci95 }: Estimate) -> Value {
        let error = if self == Self::Interval { ci95 } else { sd };
        Value { mean, error }
    }
}

impl From<Measured> for Value {
    /// The whisker is as long as the interquartile range.
    fn from(measured: Measured) -> Self {
        Self { mean: measured.median, error: Some(measured.median * measured.spread / 2.) }
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
