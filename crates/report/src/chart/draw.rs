//! Charts as SVG: a title, a legend, panels side by side and a note below them.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    axis::Scale,
    hover::{self, Spot},
    legend::{LegendEntry, legend, name_of_line},
    marks::{
        Area, Axes, Drawn, SMALL, dashes, dots_per_row, draw_bars, draw_dots, draw_guides, draw_marker, draw_points,
        font, text,
    },
    model::{Chart, ChartKind, Panel},
    spec::Guides,
    style::{FAINT, GREY, INK, colour, text_width},
};

/// Font sizes in pixels.
const TITLE: i32 = 16;
const TEXT: i32 = 13;
const EDGE: i32 = 12;
/// The width of the only panel in a row, and of one of two.
const WIDE: i32 = 640;
const NARROW: i32 = 410;
/// The height of a row of one dot, and of each further dot.
const DOT_ROW: i32 = 22;
const DOT: i32 = 9;
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
    // Dots lie below each other, so that their common axis can be followed, and so do bars whose names need the width.
    let needs_width = |panel: &Panel| chart.kind == ChartKind::Dots || is_crowded(chart, panel, NARROW);
    let columns = if chart.panels.len() < 2 || chart.panels.iter().any(needs_width) { 1 } else { 2 };
    let width = if columns == 1 { WIDE } else { NARROW };
    let heights: Vec<i32> = chart
        .panels
        .iter()
        .map(|panel| match chart.kind {
            ChartKind::Dots => 90 + (DOT_ROW + DOT * (dots_per_row(chart) as i32 - 1)) * panel.groups.len() as i32,
            ChartKind::Bars if chart.panels.len() > 1 => 280,
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
    let (mut row, mut spots) = (body, Vec::new());
    for (place, (panel, &height)) in chart.panels.iter().zip(&heights).enumerate() {
        let corner = (EDGE + place as i32 % columns * width, row);
        let area = sheet.clone().shrink(corner, (width as u32, height as u32));
        draw_panel(chart, panel, &sheet, &area, &mut spots)?;
        row += if (place as i32 + 1) % columns == 0 { height } else { 0 };
    }
    sheet.present()?;
    drop(sheet);
    hover::add(&mut svg, &spots);
    Ok(svg)
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

/// Draws a panel into `area`, its part of the sheet.
fn draw_panel<'a>(chart: &Chart, panel: &Panel, sheet: &Area<'a>, area: &Area<'a>, spots: &mut Vec<Spot>) -> Drawn {
    let mut axes = axes(chart, panel, area)?;
    match chart.kind {
        ChartKind::Bars => draw_bars(chart, panel, &mut axes, sheet, spots),
        ChartKind::Dots => draw_dots(chart, panel, &axes, sheet, spots),
        ChartKind::Lines | ChartKind::Points => draw_points(chart, panel, &mut axes, sheet, spots),
    }
}

/// The scales of a panel. They are the same in all panels, so that these can be compared, but for groups and [`Chart::has_own_x`].
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
            let panels = if chart.has_own_x { std::slice::from_ref(panel) } else { &chart.panels };
            let along = panels.iter().flat_map(|panel| &panel.points).map(|point| point.x).chain(marks.iter().copied());
            [Scale::around(along, chart.x.is_log, margin), Scale::around(ends.chain(*chance), chart.y.is_log, 0.06)]
        }
    }
}

/// Returns whether the names of the groups of bars do not fit next to each other into a panel of this width.
fn is_crowded(chart: &Chart, panel: &Panel, width: i32) -> bool {
    let longest = panel.groups.iter().map(|group| text_width(group, SMALL)).max().unwrap_or_default();
    chart.kind == ChartKind::Bars && longest * panel.groups.len() as i32 > width - 80
}

/// Draws a panel's title, grid and axes.
fn axes<'a>(chart: &Chart, panel: &Panel, area: &Area<'a>) -> Drawn<Axes<'a>> {
    let [x, y] = scales(chart, panel);
    let (width, _) = area.dim_in_pixel();
    // The same for all panels, so that their axes lie below each other.
    let groups = chart.panels.iter().flat_map(|panel| &panel.groups);
    let longest = groups.map(|group| text_width(group, SMALL)).max().unwrap_or_default();
    let is_crowded = is_crowded(chart, panel, width as i32);
    let lines = chart.panels.iter().flat_map(|panel| (0..chart.series.len()).map(move |series| (panel, series)));
    let names_of_lines = lines.map(|(panel, series)| text_width(&name_of_line(chart, panel, series), SMALL));
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
