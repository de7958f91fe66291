//! Forward passes of convolutions plane by plane, without a change of layout, for so few channels that a channels-last layout
//! would leave the vectors half empty. Vectors run along the positions of a plane.
//!
//! All planes are laid on a [`Grid`] on which each tap of the kernel reads at one distance from the output position,
//! whatever the stride. So an output plane is `y[i] = Σ_taps w · x[i + distance]` for all positions i at once, in one
//! long vectorised loop ([`correlate`](correlation::correlate)); what a tap would read beyond the edge of the image is masked.

mod correlation;
mod deinterleave;
mod grid;
mod plane_conv;
mod taps;

pub use deinterleave::deinterleave;
pub use grid::Grid;
pub use plane_conv::PlaneConv;
