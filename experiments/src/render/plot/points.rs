//! Lines and clouds of points.

use anyhow::Result;
use plotters::{element::PathElement, prelude::*, style::text_anchor::HPos};

use super::{
    figure::{Area, Axes, BELOW, Entry, Place, Sheet, Sign},
    labels,
    scale::{Scale, has_place},
    style::{GREY, INK, Size, colour, line, marker, text, whisker},
};

/// Named series of points in one panel or several.
#[derive(Clone, Debug, PartialEq)]
pub struct PointChart {
    pub title: String,
    pub note: String,
    pub x: Axis,
    pub y: Axis,
    pub joined: Joined,
    /// Of all series; the place in this list gives colour and marker.
    pub names: Vec<String>,
    pub panels: Vec<Panel>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub label: String,
    pub log: bool,
}

/// How it is shown which points belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// By a line; the legend gives its slope where both axes are logarithmic.
    Line,
    /// Not at all: each point has its name beside it.
    Named,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub title: String,
    pub series: Vec<Series>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Index of its name.
    pub name: usize,
    pub points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// Half the length of the whisker.
    pub error: Option<f64>,
}

impl PointChart {
    /// None where no point has a place on the axes.
    pub fn svg(&self) -> Result<Option<String>> {
        let mut chart = self.clone();
        for panel in &mut chart.panels {
            for series in &mut panel.series {
                series.points.retain(|point| has_place(point.x, self.x.log) && has_place(point.y, self.y.log));
                series.points.sort_by(|a, b| a.x.total_cmp(&b.x));
            }
            panel.series.retain(|series| !series.points.is_empty());
        }
        chart.panels.retain(|panel| !panel.series.is_empty());
        if chart.panels.is_empty() { Ok(None) } else { chart.draw().map(Some) }
    }

    fn draw(&self) -> Result<String> {
        let panels = self.panels.iter().map(|panel| panel.title.as_str()).collect();
        let sheet = Sheet { title: &self.title, note: &self.note, panels, legend: self.legend() };
        sheet.svg(|number, place| self.draw_panel(&self.panels[number], &place))
    }

    fn legend(&self) -> Vec<Entry> {
        let used = |&name: &usize| self.panels.iter().flat_map(|panel| &panel.series).any(|series| series.name == name);
        let sign = if self.joined == Joined::Line { Sign::Line } else { Sign::Marker };
        let entry = |name: usize| Entry { sign: sign(name), text: self.names[name].clone() + &self.slopes(name) };
        (0..self.names.len()).filter(used).map(entry).collect()
    }

    /// One for each panel.
    fn slopes(&self, name: usize) -> String {
        if self.joined != Joined::Line || !(self.x.log && self.y.log) {
            return String::new();
        }
        let of_panel = |panel: &Panel| {
            let series = panel.series.iter().find(|series| series.name == name)?;
            slope(series.points.iter().map(|point| (point.x.ln(), point.y.ln())))
        };
        let slopes: Vec<Option<f64>> = self.panels.iter().map(of_panel).collect();
        if slopes.iter().all(Option::is_none) {
            return String::new();
        }
        let text =
            |slope: Option<f64>| slope.map_or("–".into(), |slope| format!("{slope:.2}").replace("-0.00", "0.00"));
        let texts: Vec<String> = slopes.into_iter().map(text).collect();
        format!(" {}", texts.join(", "))
    }

    fn draw_panel(&self, panel: &Panel, place: &Place) -> Result<()> {
        let points = || panel.series.iter().flat_map(|series| &series.points);
        // Names want room at the sides.
        let margin = if self.joined == Joined::Named { 0.15 } else { 0.06 };
        let x = Scale::with_margin(margin, points().map(|point| point.x), self.x.log);
        let ends = points().flat_map(|point| {
            let error = point.error.unwrap_or_default();
            [point.y - error, point.y, point.y + error]
        });
        let y = Scale::around(ends, self.y.log);
        let axes = place.axes((&self.x.label, x), (&self.y.label, y), BELOW)?;
        for series in &panel.series {
            let at = |point: &Point| axes.backend_coord(&(point.x, point.y));
            for point in &series.points {
                self.draw_whisker(place.sheet, &axes, series.name, point)?;
            }
            if self.joined == Joined::Line {
                let corners: Vec<_> = series.points.iter().map(at).collect();
                place.sheet.draw(&PathElement::new(corners, colour(series.name).stroke_width(2)))?;
            }
            series.points.iter().try_for_each(|point| marker(place.sheet, series.name, at(point)))?;
        }
        if self.joined == Joined::Named { self.name_points(panel, place.sheet, &axes) } else { Ok(()) }
    }

    fn draw_whisker(&self, sheet: &Area, axes: &Axes, style: usize, point: &Point) -> Result<()> {
        let Some(error) = point.error.filter(|error| *error > 0.) else { return Ok(()) };
        let (x, low) = axes.backend_coord(&(point.x, point.y - error));
        let (_, high) = axes.backend_coord(&(point.x, point.y + error));
        whisker(sheet, x, low, high, colour(style))
    }

    fn name_points(&self, panel: &Panel, sheet: &Area, axes: &Axes) -> Result<()> {
        let points: Vec<(&str, (i32, i32))> = panel
            .series
            .iter()
            .flat_map(|series| series.points.iter().map(move |point| (series.name, point)))
            .map(|(name, point)| (self.names[name].as_str(), axes.backend_coord(&(point.x, point.y))))
            .collect();
        let (across, down) = axes.plotting_area().get_pixel_range();
        for (label, (name, point)) in labels::place(&points, (across, down)).into_iter().zip(&points) {
            if let Some(end) = label.leader {
                line(sheet, vec![*point, end], GREY, 1)?;
            }
            text(sheet, name, (label.left, label.middle), Size::Small, INK, HPos::Left)?;
        }
        Ok(())
    }
}

/// By least squares; none where fewer than two different x are given.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let n = points.clone().count() as f64;
    let mean = |of: fn((f64, f64)) -> f64| points.clone().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.clone().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let variance: f64 = points.map(|point| (point.0 - x).powi(2)).sum();
    (variance > 1e-12).then(|| covariance / variance)
}
