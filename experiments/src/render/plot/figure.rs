//! The sheet that the panels of a plot stand on.

use anyhow::Result;
use plotters::{chart::ChartContext, coord::Shift, prelude::*, style::text_anchor::HPos};

use super::{
    scale::Scale,
    style::{FAINT, FONT, GREY, INK, Size, colour, line, marker, text},
};

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Axes<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;

/// Title above, note below, and what the colours mean at the right.
pub struct Sheet<'a> {
    pub title: &'a str,
    pub note: &'a str,
    pub panels: Vec<&'a str>,
    pub legend: Vec<Entry>,
}

pub struct Entry {
    pub sign: Sign,
    pub text: String,
}

#[derive(Clone, Copy)]
pub enum Sign {
    Line(usize),
    Marker(usize),
    Box(usize),
    Dashes,
}

/// Where a panel is drawn: `area` is its own part of `sheet`, on which pixels are counted.
pub struct Place<'a, 'b> {
    pub sheet: &'b Area<'a>,
    pub area: Area<'a>,
    pub title: Vec<String>,
}

const EDGE: i32 = 12;
const SIGN: i32 = 26;
/// What numbers and a name under an axis take.
pub const BELOW: i32 = 48;

impl Sheet<'_> {
    /// As SVG; `panel` draws the panel of this number.
    pub fn svg(&self, mut panel: impl FnMut(usize, Place) -> Result<()>) -> Result<String> {
        let columns = self.panels.len().clamp(1, 2) as i32;
        let rows = (self.panels.len() as i32 + columns - 1) / columns;
        let (width, height) = if columns == 1 { (640, 400) } else { (460, 350) };
        let longest = self.legend.iter().map(|entry| Size::Text.width(&entry.text)).max();
        let legend_width = longest.map_or(0, |width| width + SIGN + EDGE);
        let inner = columns * width + legend_width;
        let title = Size::Title.wrap(self.title, inner);
        let note = Size::Small.wrap(self.note, inner);
        let titles: Vec<Vec<String>> = self.panels.iter().map(|title| Size::Panel.wrap(title, width - 70)).collect();

        let top = EDGE + title.len() as i32 * Size::Title.line_height() + 4;
        let legend_height = self.legend.len() as i32 * Size::Text.line_height() + 24;
        let bottom = top + (rows * height).max(legend_height) + 10;
        let size = (inner + 2 * EDGE, bottom + note.len() as i32 * Size::Small.line_height() + EDGE);

        let mut svg = String::new();
        let sheet = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1 as u32)).into_drawing_area();
        sheet.fill(&WHITE)?;
        for (y, row) in (EDGE + 8..).step_by(Size::Title.line_height() as usize).zip(&title) {
            text(&sheet, row, (EDGE, y), Size::Title, INK, HPos::Left)?;
        }
        for (y, row) in (bottom + 6..).step_by(Size::Small.line_height() as usize).zip(&note) {
            text(&sheet, row, (EDGE, y), Size::Small, GREY, HPos::Left)?;
        }
        for (number, title) in titles.into_iter().enumerate() {
            let (column, row) = (number as i32 % columns, number as i32 / columns);
            let corner = (EDGE + column * width, top + row * height);
            let area = sheet.clone().shrink(corner, (width as u32, height as u32));
            panel(number, Place { sheet: &sheet, area, title })?;
        }
        for (y, entry) in (top + 24..).step_by(Size::Text.line_height() as usize).zip(&self.legend) {
            entry.draw(&sheet, (EDGE + columns * width + 8, y))?;
        }
        sheet.present()?;
        drop(sheet);
        Ok(svg)
    }
}

impl Entry {
    fn draw(&self, sheet: &Area, (x, y): (i32, i32)) -> Result<()> {
        match self.sign {
            Sign::Line(style) => {
                line(sheet, vec![(x, y), (x + 20, y)], colour(style), 2)?;
                marker(sheet, style, (x + 10, y))?;
            }
            Sign::Marker(style) => marker(sheet, style, (x + 10, y))?,
            Sign::Box(style) => {
                sheet.draw(&Rectangle::new([(x + 4, y - 6), (x + 16, y + 6)], colour(style).filled()))?
            }
            Sign::Dashes => dashes(sheet, (x, y), x + 20)?,
        }
        text(sheet, &self.text, (x + SIGN, y), Size::Text, INK, HPos::Left)
    }
}

/// A dashed horizontal line.
pub fn dashes(sheet: &Area, (from, y): (i32, i32), to: i32) -> Result<()> {
    (from..to).step_by(7).try_for_each(|x| line(sheet, vec![(x, y), ((x + 4).min(to), y)], INK, 2))
}

impl<'a> Place<'a, '_> {
    /// Draws title, grid and axes; `below` pixels are kept for what is written under the axis of x.
    pub fn axes(&self, (x_label, x): (&str, Scale), (y_label, y): (&str, Scale), below: i32) -> Result<Axes<'a>> {
        let title_height = self.title.len() as i32 * Size::Panel.line_height() + 6;
        let (width, height) = self.area.dim_in_pixel();
        for (row, y) in self.title.iter().zip((10..).step_by(Size::Panel.line_height() as usize)) {
            text(&self.area, row, (60, y), Size::Panel, INK, HPos::Left)?;
        }
        let body = self.area.clone().shrink((0, title_height), (width, height - title_height as u32));
        let mut axes = ChartBuilder::on(&body)
            .margin_right(14)
            .margin_top(4)
            .x_label_area_size(below)
            .y_label_area_size(60)
            .build_cartesian_2d(x, y)?;
        let label = (FONT, Size::Small.font()).into_font().color(&INK);
        let name = (FONT, Size::Text.font()).into_font().color(&INK);
        axes.configure_mesh()
            .bold_line_style(FAINT)
            .axis_style(GREY)
            .label_style(label)
            .axis_desc_style(name)
            .x_desc(x_label)
            .y_desc(y_label)
            .draw()?;
        Ok(axes)
    }
}
