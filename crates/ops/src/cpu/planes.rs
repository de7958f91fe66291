//! Convolutions of few channels, plane by plane: the vectors run along the positions of a plane, and nothing needs to be
//! turned over.
//!
//! All planes lie on a grid on which a tap of the kernel reads at the same distance everywhere ([`grid`]), `y[i] = Σ_taps
//! w · x[i + distance]` over the whole plane at once; what it would read beyond the end of a row is masked ([`rows`]).

mod grid;
mod interleave;
mod packed;
mod rows;

pub use grid::Grid;
pub use packed::Packed;
pub use rows::{Planes, dots, row};

/// `len` values from `start` on with so many more on either side, whatever they are: in place or in `scratch`.
#[inline(always)]
pub fn surrounded<'a>(values: &'a [f32], start: usize, len: usize, margin: usize, scratch: &'a mut [f32]) -> &'a [f32] {
    if margin <= start && start + len + margin <= values.len() {
        return &values[start - margin..start + len + margin];
    }
    scratch[margin..margin + len].copy_from_slice(&values[start..start + len]);
    scratch
}
