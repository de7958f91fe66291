//! Charts as SVG: a title, a legend, panels side by side and a note below them.

use std::io;

use plotters::{
    coord::Shift,
    element::DashedPathElement,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    axis::{Scale, is_drawable},
    label,
    legend::{LegendEntry, legend},
    model::{Chart, ChartKind, DataPoint, Panel},
    style::{FAINT, GREY, INK, colour, marker, text_width},
};

/// A part of the sheet, measured in pixels.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Axes<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;
type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<io::Error>>;

/// Font sizes in pixels.
const TITLE: i32 = 16;
const TEXT: i32 = 13;
const SMALL: i32 = 12;
const EDGE: i32 = 12;
/// The width of a line or marker in the legend, with the space around it.
const SIGN: i32 = 28;

/// Draws a chart as an SVG document; `None` if no point has a place on the axes.
///
/// Points without a place are left out, and so are series, groups and panels without points.
///
/// # Errors
/// Returns what the drawing library reports, in words.
pub fn svg(chart: &Chart) -> Result<Option<String>, String> {
    let chart = chart.drawable();
    if chart.panels.is_empty() {
        return Ok(None);
    }
    draw(&chart).map(Some).map_err(|error| error.to_string())
}

fn draw(chart: &Chart) -> Drawn<String> {
    let columns = chart.panels.len().clamp(1, 2) as i32;
    let (width, height) = if columns == 1 { (640, 410) } else { (410, 340) };
    let inner = columns * width;
    let line_height = |size: i32| size + 6;
    let title = wrap(&chart.title, TITLE, inner);
    let note = wrap(&chart.note, SMALL, inner);
    let legend = legend(chart);
    let places = legend_places(&legend, inner);
    let legend_lines = places.last().map_or(0, |place| place.1 + 1);

    let top = EDGE + title.len() as i32 * line_height(TITLE);
    let body = top + legend_lines * line_height(TEXT) + 8;
    let below = body + (chart.panels.len() as i32 + columns - 1) / columns * height + 6;
    let size = (inner + 2 * EDGE, below + note.len() as i32 * line_height(SMALL) + EDGE / 2);

    let mut svg = String::new();
    let sheet = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1 as u32)).into_drawing_area();
    sheet.fill(&WHITE)?;
    for (line, y) in title.iter().zip((EDGE..).step_by(line_height(TITLE) as usize)) {
        sheet.draw(&text(line, (EDGE, y), TITLE, INK))?;
    }
    for (line, y) in note.iter().zip((below..).step_by(line_height(SMALL) as usize)) {
        sheet.draw(&text(line, (EDGE, y), SMALL, GREY))?;
    }
    for (entry, (x, line)) in legend.iter().zip(places) {
        draw_sign(chart.kind, entry.series, &sheet, (EDGE + x, top + line * line_height(TEXT) + TEXT / 2))?;
        sheet.draw(&text(&entry.text, (EDGE + x + SIGN, top + line * line_height(TEXT)), TEXT, INK))?;
    }
    for (panel, place) in chart.panels.iter().zip(0..) {
        let corner = (EDGE + place % columns * width, body + place / columns * height);
        draw_panel(chart, panel, &sheet, &sheet.clone().shrink(corner, (width as u32, height as u32)))?;
    }
    sheet.present()?;
    drop(sheet);
    Ok(svg)
}

/// A text whose upper left corner is `at`.
fn text<'a>(words: &'a str, at: (i32, i32), size: i32, colour: RGBColor) -> Text<'a, (i32, i32), &'a str> {
    Text::new(words, at, font(size).color(&colour))
}

/// The font of this size in pixels; the SVG backend divides sizes by 1.24.
fn font(size: i32) -> FontDesc<'static> {
    ("sans-serif", f64::from(size) * 1.24).into_font()
}

/// Breaks a text into lines at its spaces.
fn wrap(words: &str, size: i32, width: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + size <= width => {
                *line += &format!(" {word}")
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// For each entry of the legend its distance from the left and its line.
fn legend_places(legend: &[LegendEntry], width: i32) -> Vec<(i32, i32)> {
    let longest = legend.iter().map(|entry| text_width(&entry.text, TEXT)).max().unwrap_or_default();
    let columns = (width / (longest + SIGN + EDGE)).max(1);
    (0..legend.len() as i32).map(|i| (i % columns * (width / columns), i / columns)).collect()
}

/// Draws the sign of a series in the legend, or that of the line of chance.
fn draw_sign(kind: ChartKind, series: Option<usize>, sheet: &Area, (x, y): (i32, i32)) -> Drawn {
    let ends = [(x, y), (x + 20, y)];
    match (series, kind) {
        (None, _) => sheet.draw(&dashes(ends)),
        (Some(series), ChartKind::Bars) => {
            sheet.draw(&Rectangle::new([(x + 4, y - 6), (x + 16, y + 6)], colour(series).filled()))
        }
        (Some(series), ChartKind::Points) => draw_marker(series, sheet, (x + 10, y)),
        (Some(series), ChartKind::Lines) => {
            sheet.draw(&PathElement::new(ends, colour(series).stroke_width(2)))?;
            draw_marker(series, sheet, (x + 10, y))
        }
    }
}

fn dashes<C: Clone>(ends: [C; 2]) -> DashedPathElement<std::vec::IntoIter<C>, u32> {
    DashedPathElement::new(ends.to_vec(), 4u32, 3u32, INK.stroke_width(2))
}

/// Draws a panel into `area`, its part of the sheet.
fn draw_panel<'a>(chart: &Chart, panel: &Panel, sheet: &Area<'a>, area: &Area<'a>) -> Drawn {
    let mut axes = axes(chart, panel, area)?;
    match chart.kind {
        ChartKind::Bars => draw_bars(chart, panel, &mut axes, sheet),
        ChartKind::Lines | ChartKind::Points => draw_points(chart, panel, &mut axes, sheet),
    }
}

/// Draws a panel's title, grid and axes.
fn axes<'a>(chart: &Chart, panel: &Panel, area: &Area<'a>) -> Drawn<Axes<'a>> {
    let ends = panel.points.iter().flat_map(|point| {
        let error = point.error.unwrap_or_default();
        [point.y - error, point.y, point.y + error, point.chance.unwrap_or(point.y)]
    });
    let [x, y] = match chart.kind {
        ChartKind::Bars => [Scale::groups(panel.groups.len()), Scale::from_zero(ends)],
        // The names of points need room at the sides.
        kind => [
            Scale::around(
                panel.points.iter().map(|point| point.x),
                chart.x.is_log,
                if kind == ChartKind::Points { 0.15 } else { 0.06 },
            ),
            Scale::around(ends, chart.y.is_log, 0.06),
        ],
    };
    let (width, _) = area.dim_in_pixel();
    let longest = panel.groups.iter().map(|group| text_width(group, SMALL)).max().unwrap_or_default();
    let is_crowded = longest * panel.groups.len() as i32 > width as i32 - 80;
    let title = wrap(&panel.title, TEXT, width as i32 - 76).join("\n");
    for (line, y) in title.lines().zip((0..).step_by(TEXT as usize + 4)) {
        area.draw(&text(line, (60, y), TEXT, INK))?;
    }
    let mut axes = ChartBuilder::on(area)
        .margin_top(8 + title.lines().count() as i32 * (TEXT + 4))
        .margin_right(16)
        .margin_bottom(18)
        .x_label_area_size(match chart.kind {
            ChartKind::Bars if is_crowded => longest + 12,
            ChartKind::Bars => 24,
            ChartKind::Points | ChartKind::Lines => 44,
        })
        .y_label_area_size(60)
        .build_cartesian_2d(x.clone(), y)?;
    let labels = font(SMALL).color(&INK);
    let upright = font(SMALL).transform(FontTransform::Rotate270).color(&INK).pos(Pos::new(HPos::Right, VPos::Center));
    axes.configure_mesh()
        .bold_line_style(FAINT)
        .axis_style(GREY)
        .label_style(labels.clone())
        .x_label_style(if is_crowded { upright } else { labels })
        .axis_desc_style(font(TEXT).color(&INK))
        .x_desc(&chart.x.label)
        .y_desc(&chart.y.label)
        .x_label_formatter(&|&position| match chart.kind {
            ChartKind::Bars => panel.groups.get(position as usize).cloned().unwrap_or_default(),
            _ => x.label(position),
        })
        .draw()?;
    Ok(axes)
}

/// Draws a marker on a white edge, which sets it off from others below it.
fn draw_marker(series: usize, sheet: &Area, at: (i32, i32)) -> Drawn {
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

fn draw_points<'a>(chart: &Chart, panel: &Panel, axes: &mut Axes<'a>, sheet: &Area<'a>) -> Drawn {
    for series in 0..chart.series.len() {
        let points = || panel.points.iter().filter(move |point| point.series == series);
        points().try_for_each(|point| draw_whisker(axes, sheet, point.x, point, colour(series)))?;
        if chart.kind == ChartKind::Lines {
            let corners: Vec<(f64, f64)> = points().map(|point| (point.x, point.y)).collect();
            axes.draw_series([PathElement::new(corners, colour(series).stroke_width(2))])?;
        }
        points().try_for_each(|point| draw_marker(series, sheet, axes.backend_coord(&(point.x, point.y))))?;
    }
    if chart.kind == ChartKind::Points { draw_names(chart, panel, axes, sheet) } else { Ok(()) }
}

/// Writes the names of points next to them where there is room; the legend has them all.
fn draw_names<'a>(chart: &Chart, panel: &Panel, axes: &Axes<'a>, sheet: &Area<'a>) -> Drawn {
    let (across, _) = axes.plotting_area().get_pixel_range();
    let name = |point: &DataPoint| (chart.series[point.series].as_str(), axes.backend_coord(&(point.x, point.y)));
    let names: Vec<_> = panel.points.iter().map(name).collect();
    let mut placed = label::next_to_points(&names, across, SMALL).into_iter();
    placed.try_for_each(|(name, corner)| sheet.draw(&text(name, corner, SMALL, INK)))
}

fn draw_bars<'a>(chart: &Chart, panel: &Panel, axes: &mut Axes<'a>, sheet: &Area<'a>) -> Drawn {
    let width = 0.7 / chart.series.len() as f64;
    for point in &panel.points {
        let left = point.x + 0.15 + width * point.series as f64;
        axes.draw_series([Rectangle::new([(left, point.y), (left + width, 0.)], colour(point.series).filled())])?;
        draw_whisker(axes, sheet, left + width / 2., point, INK)?;
        if let Some(chance) = point.chance.filter(|&chance| is_drawable(chance, false)) {
            axes.draw_series([dashes([(left, chance), (left + width, chance)])])?;
        }
    }
    Ok(())
}
