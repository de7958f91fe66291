//! Charts as SVG: a title, a legend, panels side by side and a note below them.

use std::{io, ops::Range};

use plotters::{
    coord::{Shift, ranged1d::Ranged},
    element::DashedPathElement,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    axis::{Scale, is_drawable},
    label,
    legend::{LegendEntry, legend, name_of_line},
    model::{Chart, ChartKind, DataPoint, Panel},
    spec::Guides,
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
/// The height of a row of dots.
const DOT_ROW: i32 = 22;
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
    // Dots lie below each other, so that their common axis can be followed; all else side by side.
    let columns = if chart.kind == ChartKind::Dots { 1 } else { chart.panels.len().clamp(1, 2) as i32 };
    let width = if columns == 1 { 640 } else { 410 };
    let heights: Vec<i32> = chart
        .panels
        .iter()
        .map(|panel| match chart.kind {
            ChartKind::Dots => 90 + DOT_ROW * panel.groups.len() as i32,
            _ if columns == 1 => 410,
            _ => 340,
        })
        .collect();
    let inner = columns * width;
    let line_height = |size: i32| size + 6;
    let title = wrap(&chart.title, TITLE, inner);
    let note = wrap(&chart.note, SMALL, inner);
    let legend = legend(chart);
    let places = legend_places(&legend, inner);
    let legend_lines = places.last().map_or(0, |place| place.1 + 1);

    let top = EDGE + title.len() as i32 * line_height(TITLE);
    let body = top + legend_lines * line_height(TEXT) + 8;
    let below = body + heights.iter().step_by(columns as usize).sum::<i32>() + 6;
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
    let mut row = body;
    for (place, (panel, &height)) in chart.panels.iter().zip(&heights).enumerate() {
        let corner = (EDGE + place as i32 % columns * width, row);
        draw_panel(chart, panel, &sheet, &sheet.clone().shrink(corner, (width as u32, height as u32)))?;
        row += if (place as i32 + 1) % columns == 0 { height } else { 0 };
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
        (Some(series), ChartKind::Points | ChartKind::Dots) => draw_marker(series, sheet, (x + 10, y)),
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
        ChartKind::Dots => draw_dots(panel, &axes, sheet),
        ChartKind::Lines | ChartKind::Points => draw_points(chart, panel, &mut axes, sheet),
    }
}

/// The scales of all panels, which are the same so that panels can be compared, but for the groups of a panel.
fn scales(chart: &Chart, panel: &Panel) -> [Scale; 2] {
    let Guides { chance, marks, .. } = &chart.guides;
    let ends = chart.points().flat_map(|point| {
        let error = point.error.unwrap_or_default();
        let value = if chart.kind == ChartKind::Dots { point.x } else { point.y };
        [value - error, value, value + error, point.chance.unwrap_or(value)]
    });
    match chart.kind {
        ChartKind::Bars => [Scale::groups(panel.groups.len()), Scale::from_zero(ends)],
        ChartKind::Dots => [Scale::around(ends, chart.x.is_log, 0.06), Scale::groups(panel.groups.len())],
        kind => {
            // The names of points need room at the sides.
            let margin = if kind == ChartKind::Points { 0.15 } else { 0.06 };
            let along = chart.points().map(|point| point.x).chain(marks.iter().copied());
            [Scale::around(along, chart.x.is_log, margin), Scale::around(ends.chain(*chance), chart.y.is_log, 0.06)]
        }
    }
}

/// Draws a panel's title, grid and axes.
fn axes<'a>(chart: &Chart, panel: &Panel, area: &Area<'a>) -> Drawn<Axes<'a>> {
    let [x, y] = scales(chart, panel);
    let (width, _) = area.dim_in_pixel();
    let longest = panel.groups.iter().map(|group| text_width(group, SMALL)).max().unwrap_or_default();
    let is_crowded = chart.kind == ChartKind::Bars && longest * panel.groups.len() as i32 > width as i32 - 80;
    let names_of_lines = (0..chart.series.len()).map(|series| text_width(&name_of_line(chart, panel, series), SMALL));
    let right = if chart.kind == ChartKind::Lines { 12 + names_of_lines.max().unwrap_or_default() } else { 16 };
    let title = wrap(&panel.title, TEXT, width as i32 - 76).join("\n");
    for (line, y) in title.lines().zip((0..).step_by(TEXT as usize + 4)) {
        area.draw(&text(line, (60, y), TEXT, INK))?;
    }
    let mut axes = ChartBuilder::on(area)
        .margin_top(8 + title.lines().count() as i32 * (TEXT + 4))
        .margin_right(right)
        .margin_bottom(18)
        .x_label_area_size(match chart.kind {
            ChartKind::Bars if is_crowded => longest + 12,
            ChartKind::Bars => 24,
            ChartKind::Points | ChartKind::Lines | ChartKind::Dots => 44,
        })
        .y_label_area_size(if chart.kind == ChartKind::Dots { longest + 16 } else { 60 })
        .build_cartesian_2d(x.clone(), y.clone())?;
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
        .y_label_formatter(&|&position| match chart.kind {
            // The first group is the uppermost.
            ChartKind::Dots => panel.groups.iter().rev().nth(position as usize).cloned().unwrap_or_default(),
            _ => y.label(position),
        })
        .draw()?;
    draw_guides(chart, &mut axes, [&x, &y])?;
    Ok(axes)
}

/// Draws the lines that the data are compared with.
fn draw_guides<'a>(chart: &Chart, axes: &mut Axes<'a>, [x, y]: [&Scale; 2]) -> Drawn {
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
        let (from, to) = ((end.0 + 7, end.1), (across.end + 4, height));
        if to.1 != from.1 || to.0 > from.0 + 8 {
            sheet.draw(&PathElement::new([from, to], colour(*series).mix(0.4)))?;
        }
        let name = name_of_line(chart, panel, *series);
        sheet.draw(&text(&name, (across.end + 6, height - SMALL / 2 - 1), SMALL, colour(*series)))?;
    }
    Ok(())
}

/// Draws dots with horizontal whiskers, the first group uppermost.
fn draw_dots<'a>(panel: &Panel, axes: &Axes<'a>, sheet: &Area<'a>) -> Drawn {
    for point in &panel.points {
        let height = panel.groups.len() as f64 - 0.5 - point.y;
        let (x, y) = axes.backend_coord(&(point.x, height));
        if let Some(error) = point.error.filter(|error| *error > 0.) {
            let [low, high] = [point.x - error, point.x + error].map(|end| axes.backend_coord(&(end, height)).0);
            let path = [(low, y - 3), (low, y + 3), (low, y), (high, y), (high, y - 3), (high, y + 3)];
            sheet.draw(&PathElement::new(path, colour(point.series)))?;
        }
        draw_marker(point.series, sheet, (x, y))?;
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

fn draw_bars<'a>(chart: &Chart, panel: &Panel, axes: &mut Axes<'a>, sheet: &Area<'a>) -> Drawn {
    let width = 0.7 / chart.series.len() as f64;
    for point in &panel.points {
        let left = point.x + 0.15 + width * point.series as f64;
        axes.draw_series([Rectangle::new([(left, point.y), (left + width, 0.)], colour(point.series).filled())])?;
        draw_whisker(axes, sheet, left + width / 2., point, INK)?;
    }
    for point in &panel.points {
        if let Some(chance) = point.chance.filter(|&chance| is_drawable(chance, false)) {
            axes.draw_series([dashes([(point.x + 0.1, chance), (point.x + 0.9, chance)])])?;
        }
    }
    Ok(())
}
