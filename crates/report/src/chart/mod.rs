//! Charts: the plots that a suite asks for ([`PlotSpec`]), their content ([`model::Chart`]), and the drawing of it.

mod axis;
mod curves;
mod data;
mod draw;
mod figures;
mod hover;
mod label;
mod legend;
mod marks;
mod model;
mod quantity;
mod spec;
mod style;
#[cfg(test)]
mod suite_tests;
#[cfg(test)]
mod tests;

pub use curves::learning_curves;
pub use figures::figures;
pub use model::{Axis, Chart, ChartKind, DataPoint, Panel};
pub use spec::PlotSpec;
