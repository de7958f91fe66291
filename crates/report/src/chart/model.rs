use super::{axis::is_drawable, draw::svg, spec::Guides};
use crate::{
    document::Figure,
    error::{Error, Result},
};

/// Numbers as marks in one panel or several, with one legend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The title of the whole chart.
    pub title: String,
    /// The explanation of whiskers and marks, below the panels.
    pub note: String,
    /// The horizontal axis; its label alone counts for bars.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// True if a panel's horizontal axis shows the range of its own points, false if that of all panels.
    pub has_own_x: bool,
    /// The kind of mark that stands for a point.
    pub kind: ChartKind,
    /// Lines that the data are compared with.
    pub guides: Guides,
    /// The names of all series; a series' index gives its colour and marker.
    pub series: Vec<String>,
    /// One drawing for each network.
    pub panels: Vec<Panel>,
}

/// An axis of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// The label, with its unit in brackets.
    pub label: String,
    /// True if it is logarithmic.
    pub is_log: bool,
}

/// The kind of mark that stands for a point of a chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChartKind {
    /// A marker, with the name of its series where there is room.
    #[default]
    Points,
    /// A marker, joined by a line with the next of its series.
    Lines,
    /// A marker on the line of its group; the groups lie one below the other.
    Dots,
    /// A bar from zero, side by side with the other series of its group.
    Bars,
}

/// One of the drawings of a chart, which have the same axes unless [`Chart::has_own_x`] is set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// The title that distinguishes it from the other panels.
    pub title: String,
    /// The names of the groups of bars or dots; empty for other kinds.
    pub groups: Vec<String>,
    /// The points, or bars.
    pub points: Vec<DataPoint>,
    /// The names of single points.
    pub names: Vec<String>,
    /// The corners of a dashed line behind the points.
    pub front: Vec<(f64, f64)>,
}

/// A point of a chart, or a bar.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DataPoint {
    /// The index of its series.
    pub series: usize,
    /// The value along the horizontal axis, or the index of the group of a bar.
    pub x: f64,
    /// The value along the vertical axis, or the index of the group of a dot.
    pub y: f64,
    /// Half the length of the whisker, which is horizontal for dots.
    pub error: Option<f64>,
    /// The value that guessing gives, drawn as a dashed line across the group of a bar.
    pub chance: Option<f64>,
    /// The index of its own name in those of the panel, if it has one besides that of its series.
    pub name: Option<usize>,
}

impl Chart {
    /// Draws the chart as a figure with this file name, to which `.svg` is added; `None` if no point has a place on the axes.
    ///
    /// # Errors
    /// Returns [`Error::Plot`] with what the drawing library reports.
    pub fn figure(&self, file: &str) -> Result<Option<Figure>> {
        let drawn = svg(self).map_err(|reason| Error::Plot { file: file.into(), reason })?;
        let alternative = self.alternative_text();
        Ok(drawn.map(|svg| Figure { file: format!("{file}.svg"), svg, alternative }))
    }

    /// Describes the chart for readers who cannot see it: what it shows, of which panels and series.
    pub fn alternative_text(&self) -> String {
        let chart = self.drawable();
        let titles: Vec<&str> = chart.panels.iter().map(|panel| panel.title.as_str()).collect();
        let shown = (0..chart.series.len()).filter(|&series| chart.points().any(|point| point.series == series));
        let names: Vec<&str> = shown.map(|series| chart.series[series].as_str()).collect();
        format!("{}: {} ({})", chart.title, titles.join("; "), names.join(", "))
    }

    /// The chart without what has no place on its axes; points are in the order in which lines join them.
    pub fn drawable(&self) -> Self {
        let mut chart = self.clone();
        for panel in &mut chart.panels {
            panel.points.retain(|point| is_drawable(point.x, self.x.is_log) && is_drawable(point.y, self.y.is_log));
            panel.points.sort_by(|a, b| a.series.cmp(&b.series).then(a.x.total_cmp(&b.x)));
            match self.kind {
                ChartKind::Bars => panel.remove_empty_groups(|point| &mut point.x),
                ChartKind::Dots => panel.remove_empty_groups(|point| &mut point.y),
                ChartKind::Points | ChartKind::Lines => {}
            }
        }
        chart.panels.retain(|panel| !panel.points.is_empty());
        chart
    }

    /// Returns whether the legend gives the slopes of lines, which are exponents where both axes are logarithmic.
    pub fn has_slopes(&self) -> bool {
        self.kind == ChartKind::Lines && self.x.is_log && self.y.is_log
    }

    pub fn points(&self) -> impl Iterator<Item = &DataPoint> {
        self.panels.iter().flat_map(|panel| &panel.points)
    }
}

impl Panel {
    /// Removes the groups without points. `group` is where a point keeps the index of its group.
    fn remove_empty_groups(&mut self, group: fn(&mut DataPoint) -> &mut f64) {
        for index in (0..self.groups.len()).rev() {
            if self.points.iter_mut().all(|point| *group(point) != index as f64) {
                self.groups.remove(index);
                self.points.iter_mut().map(group).filter(|place| **place > index as f64).for_each(|place| *place -= 1.);
            }
        }
    }
}
