//! The marks of a chart: points, lines, dots and bars with their whiskers and names.

use std::{io, ops::Range};

use plotters::{
    coord::{Shift, ranged1d::Ranged},
    element::DashedPathElement,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    axis::{Scale, is_drawable},
    hover::Spot,
    label,
    legend::name_of_line,
    model::{Chart, ChartKind, DataPoint, Panel},
    style::{GREY, INK, colour, marker},
};

/// A part of the sheet, measured in pixels.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Axes<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;
pub type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<io::Error>>;

/// The size in pixels of the letters at marks and axes.
pub const SMALL: i32 = 12;

/// A text whose upper left corner is `at`.
pub fn text<'a>(words: &'a str, at: (i32, i32), size: i32, colour: RGBColor) -> Text<'a, (i32, i32), &'a str> {
    Text::new(words, at, font(size).color(&colour))
}

/// The font of this size in pixels; the SVG backend divides sizes by 1.24.
pub fn font(size: i32) -> FontDesc<'static> {
    ("sans-serif", f64::from(size) * 1.24).into_font()
}

/// A dashed line.
pub fn dashes<C: Clone>(ends: [C; 2]) -> DashedPathElement<std::vec::IntoIter<C>, u32> {
    DashedPathElement::new(ends.to_vec(), 4u32, 3u32, INK.stroke_width(2))
}

/// Draws the lines that the data are compared with.
pub fn draw_guides<'a>(chart: &Chart, axes: &mut Axes<'a>, [x, y]: [&Scale; 2]) -> Drawn {
    let (Range { start: left, end: right }, Range { start: low, end: high }) = (x.range(), y.range());
    for &mark in &chart.guides.marks {
        axes.draw_series([DashedPathElement::new([(mark, low), (mark, high)], 2u32, 3u32, GREY)])?;
    }
    if let Some(chance) = chart.guides.chance {
        axes.draw_series([dashes([(left, chance), (right, chance)])])?;
        axes.draw_series([Text::new(
            "chance",
            (left, chance),
            font(SMALL).color(&INK).pos(Pos::new(HPos::Left, VPos::Bottom)),
        )])?;
    }
    Ok(())
}

/// Draws a marker on a white edge, which sets it off from others below it.
pub fn draw_marker(series: usize, sheet: &Area, at: (i32, i32)) -> Drawn {
    let outline = marker(series, at);
    sheet.draw(&PathElement::new(outline.clone(), WHITE.stroke_width(2)))?;
    sheet.draw(&Polygon::new(outline, colour(series).filled()))
}

/// Draws the whisker of a point, with caps, if it has one.
fn draw_whisker(axes: &Axes, sheet: &Area, x: f64, point: &DataPoint, colour: RGBColor) -> Drawn {
    let Some(error) = point.error.filter(|error| *error > 0.) else { return Ok(()) };
    let [(x, low), (_, high)] = [point.y - error, point.y + error].map(|end| axes.backend_coord(&(x, end)));
    let path = [(x - 3, low), (x + 3, low), (x, low), (x, high), (x - 3, high), (x + 3, high)];
    sheet.draw(&PathElement::new(path, colour))
}

pub fn draw_points<'a>(
    chart: &Chart,
    panel: &Panel,
    axes: &mut Axes<'a>,
    sheet: &Area<'a>,
    spots: &mut Vec<Spot>,
) -> Drawn {
    if panel.front.len() > 1 {
        axes.draw_series([DashedPathElement::new(panel.front.clone(), 4u32, 3u32, GREY)])?;
    }
    for series in 0..chart.series.len() {
        let points = || panel.points.iter().filter(move |point| point.series == series);
        points().try_for_each(|point| draw_whisker(axes, sheet, point.x, point, colour(series)))?;
        if chart.kind == ChartKind::Lines {
            let corners: Vec<(f64, f64)> = points().map(|point| (point.x, point.y)).collect();
            axes.draw_series([PathElement::new(corners, colour(series).stroke_width(2))])?;
        }
        for point in points() {
            let at = axes.backend_coord(&(point.x, point.y));
            draw_marker(series, sheet, at)?;
            spots.push(Spot::marker(chart, panel, point, at));
        }
    }
    if chart.kind == ChartKind::Points {
        draw_names(chart, panel, axes, sheet)
    } else {
        name_lines(chart, panel, axes, sheet)
    }
}

/// Writes the names of lines at their right ends, apart from each other, in the colour of the line.
fn name_lines<'a>(chart: &Chart, panel: &Panel, axes: &Axes<'a>, sheet: &Area<'a>) -> Drawn {
    let last = |series: usize| panel.points.iter().rfind(|point| point.series == series).map(|point| (series, point));
    let lines: Vec<(usize, &DataPoint)> = (0..chart.series.len()).filter_map(last).collect();
    let ends: Vec<(i32, i32)> = lines.iter().map(|(_, point)| axes.backend_coord(&(point.x, point.y))).collect();
    let (across, down) = axes.plotting_area().get_pixel_range();
    let heights = label::at_line_ends(&ends.iter().map(|end| end.1).collect::<Vec<_>>(), down, SMALL + 1);
    for (((series, _), end), height) in lines.iter().zip(ends).zip(heights) {
        let name = name_of_line(chart, panel, *series);
        let write = |x: i32, y: i32| sheet.draw(&text(&name, (x, y - SMALL / 2 - 1), SMALL, colour(*series)));
        // The name of a line that ends far from the others stands there.
        if across.end - end.0 > (across.end - across.start) / 4 {
            write(end.0 + 9, end.1)?;
            continue;
        }
        let (from, to) = ((end.0 + 7, end.1), (across.end + 4, height));
        sheet.draw(&PathElement::new([from, to], colour(*series).mix(0.4)))?;
        write(across.end + 6, height)?;
    }
    Ok(())
}

/// The most dots of a row in any panel.
pub fn dots_per_row(chart: &Chart) -> usize {
    let in_row = |panel: &Panel, row: usize| panel.points.iter().filter(|point| point.y == row as f64).count();
    let rows = chart.panels.iter().flat_map(|panel| (0..panel.groups.len()).map(move |row| in_row(panel, row)));
    rows.max().unwrap_or_default().max(1)
}

/// Draws dots with horizontal whiskers, the first group uppermost and the dots of a group below each other.
pub fn draw_dots<'a>(chart: &Chart, panel: &Panel, axes: &Axes<'a>, sheet: &Area<'a>, spots: &mut Vec<Spot>) -> Drawn {
    for (i, point) in panel.points.iter().enumerate() {
        let others = |points: &[DataPoint]| points.iter().filter(|other| other.y == point.y).count() as f64;
        let (before, count) = (others(&panel.points[..i]), others(&panel.points));
        let below_middle = (before - (count - 1.) / 2.) / (dots_per_row(chart) as f64 + 1.);
        let height = panel.groups.len() as f64 - 0.5 - point.y - below_middle;
        let (x, y) = axes.backend_coord(&(point.x, height));
        if let Some(error) = point.error.filter(|error| *error > 0.) {
            let [low, high] = [point.x - error, point.x + error].map(|end| axes.backend_coord(&(end, height)).0);
            let path = [(low, y - 3), (low, y + 3), (low, y), (high, y), (high, y - 3), (high, y + 3)];
            sheet.draw(&PathElement::new(path, colour(point.series)))?;
        }
        draw_marker(point.series, sheet, (x, y))?;
        spots.push(Spot::marker(chart, panel, point, (x, y)));
    }
    Ok(())
}

/// Writes the names of points next to them where there is room; the legend has them all.
fn draw_names<'a>(chart: &Chart, panel: &Panel, axes: &Axes<'a>, sheet: &Area<'a>) -> Drawn {
    let (across, _) = axes.plotting_area().get_pixel_range();
    let name = |point: &DataPoint| (chart.series[point.series].as_str(), axes.backend_coord(&(point.x, point.y)));
    let names: Vec<_> = panel.points.iter().map(name).collect();
    let mut placed = label::next_to_points(&names, across, SMALL).into_iter();
    placed.try_for_each(|(name, corner)| sheet.draw(&text(name, corner, SMALL, INK)))
}

pub fn draw_bars<'a>(
    chart: &Chart,
    panel: &Panel,
    axes: &mut Axes<'a>,
    sheet: &Area<'a>,
    spots: &mut Vec<Spot>,
) -> Drawn {
    let shown: Vec<usize> =
        (0..chart.series.len()).filter(|series| panel.points.iter().any(|point| point.series == *series)).collect();
    let width = 0.7 / shown.len() as f64;
    for point in &panel.points {
        let place = shown.iter().position(|series| *series == point.series).unwrap_or_default();
        let left = point.x + 0.15 + width * place as f64;
        axes.draw_series([Rectangle::new([(left, point.y), (left + width, 0.)], colour(point.series).filled())])?;
        draw_whisker(axes, sheet, left + width / 2., point, INK)?;
        let corners = [(left, point.y), (left + width, 0.)].map(|corner| axes.backend_coord(&corner));
        spots.push(Spot::area(chart, panel, point, corners));
    }
    for point in &panel.points {
        if let Some(chance) = point.chance.filter(|&chance| is_drawable(chance, false)) {
            axes.draw_series([dashes([(point.x + 0.1, chance), (point.x + 0.9, chance)])])?;
        }
    }
    Ok(())
}
