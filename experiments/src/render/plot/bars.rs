use anyhow::Result;
use plotters::{prelude::*, style::text_anchor::HPos};

use super::{
    figure::{Axes, Entry, Place, Sheet, Sign, dashes},
    scale::{Scale, has_place},
    style::{INK, Size, colour, text, upright_text, whisker},
};

/// Groups of bars from zero, side by side, in one panel or several.
#[derive(Clone, Debug, PartialEq)]
pub struct BarChart {
    pub title: String,
    pub note: String,
    pub y_label: String,
    /// What each bar of a group stands for.
    pub names: Vec<String>,
    pub panels: Vec<BarPanel>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BarPanel {
    pub title: String,
    pub groups: Vec<Group>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: String,
    /// One for each of the chart's names, in their order.
    pub bars: Vec<Option<Bar>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    pub height: f64,
    /// Half the length of the whisker.
    pub error: Option<f64>,
    /// What guessing gives: a line across the bar.
    pub chance: Option<f64>,
}

impl BarChart {
    /// None where no bar has a height.
    pub fn svg(&self) -> Result<Option<String>> {
        let mut chart = self.clone();
        for panel in &mut chart.panels {
            for group in &mut panel.groups {
                group.bars.iter_mut().for_each(|bar| *bar = bar.filter(|bar| has_place(bar.height, false)));
            }
            panel.groups.retain(|group| group.bars.iter().any(Option::is_some));
        }
        chart.panels.retain(|panel| !panel.groups.is_empty());
        if chart.panels.is_empty() { Ok(None) } else { chart.draw().map(Some) }
    }

    fn draw(&self) -> Result<String> {
        let entry = |(style, name): (usize, &String)| Entry { sign: Sign::Box(style), text: name.clone() };
        let mut legend: Vec<Entry> = self.names.iter().enumerate().map(entry).collect();
        if self.panels.iter().flat_map(BarPanel::bars).any(|bar| bar.chance.is_some()) {
            legend.push(Entry { sign: Sign::Dashes, text: "chance".into() });
        }
        let panels = self.panels.iter().map(|panel| panel.title.as_str()).collect();
        let sheet = Sheet { title: &self.title, note: &self.note, panels, legend };
        sheet.svg(|number, place| self.draw_panel(&self.panels[number], &place))
    }

    fn draw_panel(&self, panel: &BarPanel, place: &Place) -> Result<()> {
        let y = Scale::from_zero(panel.bars().flat_map(Bar::heights));
        let longest = panel.groups.iter().map(|group| Size::Small.width(&group.name)).max().unwrap_or_default();
        let axes = place.axes(("", Scale::unlabelled(panel.groups.len())), (&self.y_label, y), longest.max(16) + 12)?;
        let at = |x: f64, y: f64| axes.backend_coord(&(x, y));
        for (number, group) in panel.groups.iter().enumerate() {
            let left = number as f64 + 0.15;
            let width = 0.7 / self.names.len() as f64;
            for (style, bar) in group.bars.iter().enumerate() {
                let Some(bar) = bar else { continue };
                let (from, to) = (left + width * style as f64, left + width * (style + 1) as f64);
                place.sheet.draw(&Rectangle::new([at(from, bar.height), at(to, 0.)], colour(style).filled()))?;
                if let Some(error) = bar.error.filter(|error| *error > 0.) {
                    let (x, low) = at((from + to) / 2., bar.height - error);
                    whisker(place.sheet, x, low, at(0., bar.height + error).1, INK)?;
                }
                if let Some(chance) = bar.chance.filter(|&chance| has_place(chance, false)) {
                    dashes(place.sheet, at(from, chance), at(to, chance).0)?;
                }
            }
        }
        self.name_groups(panel, place, &axes)
    }

    /// Below the axis; upright where there is no room to lie.
    fn name_groups(&self, panel: &BarPanel, place: &Place, axes: &Axes) -> Result<()> {
        let (across, down) = axes.plotting_area().get_pixel_range();
        let room = (across.end - across.start) / panel.groups.len() as i32;
        let lie = panel.groups.iter().all(|group| Size::Small.width(&group.name) < room);
        for (number, group) in panel.groups.iter().enumerate() {
            let x = axes.backend_coord(&(number as f64 + 0.5, 0.)).0;
            if lie {
                text(place.sheet, &group.name, (x, down.end + 12), Size::Small, INK, HPos::Center)?;
            } else {
                upright_text(place.sheet, &group.name, (x, down.end + 6), Size::Small)?;
            }
        }
        Ok(())
    }
}

impl BarPanel {
    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| group.bars.iter().flatten())
    }
}

impl Bar {
    /// All that must be on the axis.
    fn heights(&self) -> [f64; 3] {
        [self.height, self.height + self.error.unwrap_or_default(), self.chance.unwrap_or_default()]
    }
}
