//! Words that a browser shows where the mouse rests on a mark.

use std::fmt::Write;

use super::model::{Chart, ChartKind, DataPoint, Panel};
use crate::number::{fixed, whole};

/// The distance in pixels from the middle of a marker within which it is meant.
const REACH: i32 = 8;

/// A part of the sheet and the words that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// Two opposite corners.
    corners: [(i32, i32); 2],
    words: String,
}

impl Spot {
    /// The surroundings of a marker.
    pub fn marker(chart: &Chart, panel: &Panel, point: &DataPoint, (x, y): (i32, i32)) -> Self {
        Self::area(chart, panel, point, [(x - REACH, y - REACH), (x + REACH, y + REACH)])
    }

    /// The area of a bar.
    pub fn area(chart: &Chart, panel: &Panel, point: &DataPoint, corners: [(i32, i32); 2]) -> Self {
        let value = |value: f64| if value.fract() == 0. { whole(value) } else { fixed(value, 2) };
        let spread = point.error.map(|error| format!(" ± {}", fixed(error, 2))).unwrap_or_default();
        let group = |place: f64| panel.groups.get(place as usize).map_or("", |name| name.as_str());
        let numbers = match chart.kind {
            ChartKind::Bars => format!("{} {}{spread} {}", group(point.x), value(point.y), chart.y.label),
            ChartKind::Dots => format!("{}, {} {}{spread}", group(point.y), chart.x.label, value(point.x)),
            ChartKind::Lines | ChartKind::Points => {
                format!("{} {}{spread}, {} {}", chart.y.label, value(point.y), chart.x.label, value(point.x))
            }
        };
        let name = point.name.and_then(|name| panel.names.get(name)).unwrap_or(&chart.series[point.series]);
        let words = format!("{name}, {}: {numbers}", panel.title);
        Self { corners, words }
    }
}

/// Adds the spots to an SVG document, over all else.
pub fn add(svg: &mut String, spots: &[Spot]) {
    let Some(end) = svg.rfind("</svg>") else { return };
    svg.truncate(end);
    for Spot { corners: [(x0, y0), (x1, y1)], words } in spots {
        let (x, y, width, height) = (x0.min(x1), y0.min(y1), (x1 - x0).abs(), (y1 - y0).abs());
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            svg,
            r#"<rect class="hover" x="{x}" y="{y}" width="{width}" height="{height}" fill-opacity="0"><title>{words}</title></rect>"#
        );
    }
    svg.push_str("</svg>\n");
}
