//! What all plots have in common: colours that the colour-blind can tell apart, markers for everybody, sizes of text.

use std::f64::consts::TAU;

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::figure::Area;

/// Okabe and Ito's, without the yellow, which is faint on white. Seven, and eight markers: 56 styles.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const MARKERS: [Marker; 8] = [
    Marker::Disc,
    Marker::Regular { corners: 4, turned: 0.125 },
    Marker::Regular { corners: 3, turned: 0. },
    Marker::Regular { corners: 4, turned: 0. },
    Marker::Star { arms: 4, turned: 0.125 },
    Marker::Regular { corners: 3, turned: 0.5 },
    Marker::Star { arms: 5, turned: 0. },
    Marker::Star { arms: 4, turned: 0. },
];
pub const INK: RGBColor = RGBColor(51, 51, 51);
pub const GREY: RGBColor = RGBColor(110, 110, 110);
pub const FAINT: RGBColor = RGBColor(226, 226, 226);
pub const FONT: &str = "sans-serif";

#[derive(Clone, Copy)]
enum Marker {
    Disc,
    Regular { corners: usize, turned: f64 },
    Star { arms: usize, turned: f64 },
}

/// Font sizes in pixels.
#[derive(Clone, Copy)]
pub enum Size {
    Title = 16,
    Panel = 13,
    Text = 12,
    Small = 11,
}

pub fn colour(style: usize) -> RGBColor {
    COLOURS[style % COLOURS.len()]
}

impl Size {
    /// What plotters has to be told: its SVG backend divides by 1.24.
    pub fn font(self) -> f64 {
        self as i32 as f64 * 1.24
    }

    pub fn line_height(self) -> i32 {
        self as i32 + 5
    }

    /// A guess, since the font is the reader's; rather too wide than too narrow.
    pub fn width(self, text: &str) -> i32 {
        (0.6 * f64::from(self as i32) * text.chars().count() as f64).ceil() as i32
    }

    /// Breaks a text into lines at its spaces.
    pub fn wrap(self, text: &str, width: i32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.width(line) + self.width(word) + self.width(" ") <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.into()),
            }
        }
        lines
    }
}

type Drawn = anyhow::Result<()>;

/// `at` is the text's left, middle or right, as `to` says, at half its height.
pub fn text(area: &Area, text: &str, at: (i32, i32), size: Size, colour: RGBColor, to: HPos) -> Drawn {
    let style = (FONT, size.font()).into_font().color(&colour).pos(Pos::new(to, VPos::Center));
    Ok(area.draw(&Text::new(text.to_string(), at, style))?)
}

/// From bottom to top; `at` is the middle of its end.
pub fn upright_text(area: &Area, text: &str, at: (i32, i32), size: Size) -> Drawn {
    let font = (FONT, size.font()).into_font().transform(FontTransform::Rotate270);
    let style = font.color(&INK).pos(Pos::new(HPos::Right, VPos::Center));
    Ok(area.draw(&Text::new(text.to_string(), at, style))?)
}

pub fn line(area: &Area, points: Vec<(i32, i32)>, colour: RGBColor, width: u32) -> Drawn {
    Ok(area.draw(&PathElement::new(points, colour.stroke_width(width)))?)
}

pub fn marker(area: &Area, style: usize, (x, y): (i32, i32)) -> Drawn {
    const RADIUS: f64 = 6.;
    let fill = colour(style).filled();
    let polygon = |corners: usize, turned: f64, inner: f64| {
        let corner = |i: usize| {
            let (sin, cos) = ((i as f64 / corners as f64 + turned) * TAU).sin_cos();
            let radius = if i % 2 == 1 { inner } else { RADIUS };
            (x + (radius * sin).round() as i32, y - (radius * cos).round() as i32)
        };
        Polygon::new((0..corners).map(corner).collect::<Vec<_>>(), fill)
    };
    match MARKERS[style % MARKERS.len()] {
        Marker::Disc => area.draw(&Circle::new((x, y), 5, fill))?,
        Marker::Regular { corners, turned } => area.draw(&polygon(corners, turned, RADIUS))?,
        Marker::Star { arms, turned } => area.draw(&polygon(2 * arms, turned, 0.4 * RADIUS))?,
    }
    Ok(())
}

/// From `low` to `high`, with caps.
pub fn whisker(area: &Area, x: i32, low: i32, high: i32, colour: RGBColor) -> Drawn {
    line(area, vec![(x, low), (x, high)], colour, 1)?;
    line(area, vec![(x - 3, low), (x + 3, low)], colour, 1)?;
    line(area, vec![(x - 3, high), (x + 3, high)], colour, 1)
}
