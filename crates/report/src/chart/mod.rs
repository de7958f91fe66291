//! Charts: from what a suite asks for ([`PlotSpec`]) and its rows to what is drawn ([`model::Chart`]), and how.

mod axis;
mod data;
mod draw;
mod figures;
mod label;
mod legend;
mod model;
mod spec;
mod style;
#[cfg(test)]
mod suite_tests;
#[cfg(test)]
mod tests;

pub use figures::figures;
pub use spec::PlotSpec;
