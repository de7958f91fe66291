//! Winograd's F(m×m, 3×3): 3×3 convolutions of stride 1 with fewer multiplications than the definition has (Lavin & Gray
//! 2015, arXiv 1509.09308): 16 in place of 36 for m = 2, in place of 64 for m = 4 ([`F2`], [`F4`]).
//!
//! The output is cut into tiles of m×m; a tile sees (m + 2)×(m + 2) pixels. With d the pixels of a channel and g its
//! weights for an output channel, at each of the (m + 2)² places of a tile
//!
//! | forward | backward, its exact adjoint |
//! | --- | --- |
//! | `V = Bᵀ d B`, `U = G g Gᵀ` | `dM = A dY Aᵀ` |
//! | `M = Σ over C_in of V · U` | `dU = Σ over tiles of V · dM`, `dV = Σ over C_out of dM · U` |
//! | `Y = Aᵀ M A` | `dd = B dV Bᵀ`, `dg = Gᵀ dU G` |
//!
//! The middle line is a matrix product for each place, done [`Tiling::CHUNK`] tiles at a time so that what one reads stays
//! in the cache. Small images share a chunk.

mod backward;
mod form;
mod forward;
mod tiling;

pub use backward::{Backward, Dx};
pub use form::{F2, F4};
pub use forward::images;
pub use tiling::Tiling;

use super::super::tile::{Part, ROWS, WIDTH, product, vectors, vectors_mut};
use super::geometry::Shape;
use form::{Form, both};
use pulp::Simd;
use tiling::Tile;

/// One matrix product at each place: `tiles` rows of `len` values in `from`, of which `steps` are taken, by the weights.
#[inline(always)]
fn multiply<S: Simd, const V: usize, const OUT: usize>(
    simd: S,
    tiles: usize,
    from: &[f32],
    len: usize,
    steps: Part,
    weight: &[f32],
    out: &mut [f32],
) {
    let chunk = Tiling::<OUT>::CHUNK;
    let places = weight.chunks_exact(weight.len() / Tiling::<OUT>::PLACES).zip(out.chunks_exact_mut(chunk * WIDTH));
    for (place, (weight, out)) in places.enumerate() {
        let groups = vectors_mut::<S, V>(out).as_chunks_mut::<ROWS>().0.iter_mut().take(tiles.div_ceil(ROWS));
        for (group, out) in groups.enumerate() {
            *out = product(simd, from, &rows_from(place * chunk + group * ROWS, len), steps, weight);
        }
    }
}

/// Where [`ROWS`] rows of `len` values start, from row `first` on.
#[inline(always)]
fn rows_from(first: usize, len: usize) -> [usize; ROWS] {
    let mut rows = [0; ROWS];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = (first + r) * len;
    }
    rows
}

/// `V = Bᵀ d B` of a chunk: (place, tile, channel).
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn transform_pixels<S: Simd, F: Form<OUT, IN>, const V: usize, const OUT: usize, const IN: usize>(
    simd: S,
    t: &Tiling<OUT>,
    s: &Shape,
    row: usize,
    tiles: &[Tile<OUT>],
    images: &[f32],
    out: &mut [f32],
) {
    let pixel = s.in_channels;
    let (distance, zero) = (Tiling::<OUT>::CHUNK * t.depth, simd.splat_f32s(0.));
    for (i, tile) in tiles.iter().enumerate() {
        for piece in (0..t.depth).step_by(WIDTH) {
            let mut lines = [images; IN];
            for (y, line) in lines.iter_mut().enumerate() {
                *line = &images[tile.start + y * row + piece..][..(IN - 1) * pixel + WIDTH];
            }
            let out = &mut out[i * t.depth + piece..][..(IN * IN - 1) * distance + WIDTH];
            for v in 0..V {
                both!(
                    [IN => IN],
                    zero,
                    |y, x| vectors::<S, V>(&lines[y][x * pixel..][..WIDTH])[0][v],
                    |d| F::pixels(simd, d),
                    |y, x, value| vectors_mut::<S, V>(&mut out[(IN * y + x) * distance..][..WIDTH])[0][v] = value
                );
            }
        }
    }
}
