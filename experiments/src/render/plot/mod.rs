//! Plots as SVG: what a suite asks for ([`PlotSpec`]), the numbers it takes from the rows, and how they are drawn.

mod bars;
mod chart;
mod figure;
mod labels;
mod points;
mod rows;
mod scale;
mod spec;
mod style;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use anyhow::{Context, Result};

use self::chart::Chart;
use crate::{aggregate::Row, store::write};

pub use spec::PlotSpec;

/// Writes `folder/FILE.svg` for each plot, or for the default ones where none is named, and gives the line of markdown
/// that shows it. A plot for which there are no data is left out, and named on standard error.
pub fn draw(specs: &[PlotSpec], rows: &[Row], folder: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let default = PlotSpec::default_plots();
    let mut lines = Vec::new();
    for spec in if specs.is_empty() { &default } else { specs } {
        let (chart, file) = (Chart::new(spec, rows), spec.file());
        match chart.svg().with_context(|| format!("plot `{file}`"))? {
            Some(svg) => {
                write(&folder.join(format!("{file}.svg")), &svg)?;
                lines.push(format!("![{}]({file}.svg)", chart.alternative_text().replace(['[', ']'], "")));
            }
            None => eprintln!("plot `{file}`: left out, there are no data for it"),
        }
    }
    Ok(lines)
}
