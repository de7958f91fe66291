//! Colours and markers: what tells the series of a chart apart.

use std::f64::consts::TAU;

use plotters::prelude::*;

/// Colours that stand out on white and differ in lightness too: the first seven are Okabe and Ito's without their
/// yellow, readable with any colour vision.
const COLOURS: [RGBColor; 14] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(128, 64, 0),
    RGBColor(110, 60, 170),
    RGBColor(150, 150, 150),
    RGBColor(120, 140, 20),
    RGBColor(170, 20, 60),
    RGBColor(0, 90, 90),
    RGBColor(235, 130, 130),
];

/// Markers as regular polygons or stars: the number of outer corners, by how much of a turn the first is turned from the
/// top, the radius of the outer corners in pixels, and that of the corners between them.
const MARKERS: [(usize, f64, f64, f64); 10] = [
    (12, 0., 5., 4.9),
    (4, 0.125, 6., 4.3),
    (3, 0., 6.5, 3.3),
    (4, 0., 6., 4.3),
    (4, 0.125, 7., 2.5),
    (3, 0.5, 6.5, 3.3),
    (5, 0., 7., 2.8),
    (4, 0., 7., 2.5),
    (3, 0.25, 6.5, 3.3),
    (3, 0.75, 6.5, 3.3),
];

pub const INK: RGBColor = RGBColor(51, 51, 51);
pub const GREY: RGBColor = RGBColor(100, 100, 100);
pub const FAINT: RGBColor = RGBColor(226, 226, 226);

/// The colour of a series; no two of the first fourteen share one.
pub fn colour(series: usize) -> RGBColor {
    COLOURS[series % COLOURS.len()]
}

/// The outline of a series' marker around this pixel; it ends where it begins.
pub fn marker(series: usize, (x, y): (i32, i32)) -> Vec<(i32, i32)> {
    let (corners, turned, outer, inner) = MARKERS[series % MARKERS.len()];
    let corner = |i: usize| {
        let (sin, cos) = ((i as f64 / (2 * corners) as f64 + turned) * TAU).sin_cos();
        let radius = if i % 2 == 1 { inner } else { outer };
        (x + (radius * sin).round() as i32, y - (radius * cos).round() as i32)
    };
    (0..=2 * corners).map(corner).collect()
}

/// The width of a text in pixels: a guess, because the font is the reader's, and rather too wide than too narrow.
pub fn text_width(text: &str, size: i32) -> i32 {
    (0.6 * f64::from(size * text.chars().count() as i32)).ceil() as i32
}
