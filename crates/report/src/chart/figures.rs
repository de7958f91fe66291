use records::Row;

use super::{model::Chart, spec::PlotSpec};
use crate::{document::Figure, error::Result};

/// Draws the plots that a suite asks for, or accuracy against parameters if it asks for none. The second list names the files,
/// without ending, of the plots that are left out because there are no data for them.
///
/// # Errors
/// Returns [`Error::Plot`](crate::Error::Plot) if a plot cannot be drawn.
pub fn figures(specs: &[PlotSpec], rows: &[Row]) -> Result<(Vec<Figure>, Vec<String>)> {
    let default = [PlotSpec::accuracy_vs_parameters()];
    let (mut figures, mut left_out) = (Vec::new(), Vec::new());
    for spec in if specs.is_empty() { &default } else { specs } {
        let chart = Chart::new(spec, rows);
        match chart.figure(spec.file())? {
            Some(figure) => figures.push(figure),
            None => left_out.push(spec.file().to_string()),
        }
    }
    Ok((figures, left_out))
}
