use super::axis::is_drawable;

/// Numbers as marks in one panel or several, with one legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// The title of the whole chart.
    pub title: String,
    /// The explanation of whiskers and marks, below the panels.
    pub note: String,
    /// The horizontal axis; its label alone counts for bars.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The kind of mark that stands for a point.
    pub kind: ChartKind,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartKind {
    /// A marker, with the name of its series where there is room.
    Points,
    /// A marker, joined by a line with the next of its series.
    Lines,
    /// A bar from zero, side by side with the other series of its group.
    Bars,
}

/// One of the drawings of a chart, which has its own axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// The title that distinguishes it from the other panels.
    pub title: String,
    /// The names of the groups of bars; empty for other kinds.
    pub groups: Vec<String>,
    /// The points, or bars.
    pub points: Vec<DataPoint>,
}

/// A point of a chart, or a bar.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DataPoint {
    /// The index of its series.
    pub series: usize,
    /// The value along the horizontal axis, or the index of a bar's group.
    pub x: f64,
    /// The value along the vertical axis.
    pub y: f64,
    /// Half the length of the whisker.
    pub error: Option<f64>,
    /// The value that guessing gives, drawn as a dashed line across a bar.
    pub chance: Option<f64>,
}

impl Chart {
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
            if self.kind == ChartKind::Bars {
                panel.remove_empty_groups();
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
    fn remove_empty_groups(&mut self) {
        for group in (0..self.groups.len()).rev() {
            if self.points.iter().all(|point| point.x != group as f64) {
                self.groups.remove(group);
                self.points.iter_mut().filter(|point| point.x > group as f64).for_each(|point| point.x -= 1.);
            }
        }
    }
}
