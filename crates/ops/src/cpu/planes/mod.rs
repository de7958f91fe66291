//! Convolutions plane by plane, without a change of layout: depthwise convolutions, and dense ones of so few channels
//! that a channels-last layout would leave the vectors half empty. Vectors run along the positions of a plane.
//!
//! All planes are laid on a [`Grid`] on which each tap of the kernel reads at one distance from the output position,
//! whatever the stride. So an output plane is `y[i] = Σ_taps w · x[i + distance]` for all positions i at once, in one
//! long vectorised loop ([`correlate`]); what a tap would read beyond the edge of the image is masked. The gradient of
//! the weights consists of dot products of the shifted planes with the gradient of the output ([`add_dot_products`]),
//! and the gradient of the input is again a correlation, of the opposite distances.

mod deinterleave;
mod grid;
mod margins;
mod plane_conv;
mod products;
mod taps;

pub use grid::Grid;
pub use margins::with_margins;
pub use plane_conv::PlaneConv;
pub use products::{add_dot_products, correlate};
pub use taps::MaskedPlanes;
