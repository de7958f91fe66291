//! Winograd's F(2×2, 3×3): 3×3 convolutions of stride 1 with 16 multiplications where the definition has 36 (Lavin &
//! Gray 2015, arXiv 1509.09308).
//!
//! The output is cut into tiles of 2×2; a tile sees 4×4 pixels. With d the pixels of a channel and g its weights for an
//! output channel, at each of the 16 places of a tile
//!
//! | forward | backward, its exact adjoint |
//! | --- | --- |
//! | `V = Bᵀ d B`, `U = G g Gᵀ` | `dM = A dY Aᵀ` |
//! | `M = Σ over C_in of V · U` | `dU = Σ over tiles of V · dM`, `dV = Σ over C_out of dM · U` |
//! | `Y = Aᵀ M A` | `dd = B dV Bᵀ`, `dg = Gᵀ dU G` |
//!
//! The middle line is 16 matrix products, done [`CHUNK`] tiles at a time so that what one reads stays in the cache.
//! Small images share a chunk.

use super::super::tile::{Kernel, Part, ROWS, Row, Steps, WIDTH, product, vectors, vectors_mut};
use super::epilogue::Target;
use super::geometry::{Geometry, Shape};
use super::tiling::{CHUNK, PLACES, Tile, Tiling, both};
use pulp::Simd;

/// One matrix product at each place: `tiles` rows of `len` values in `from`, of which `steps` are taken, by the weights.
#[inline(always)]
fn multiply<S: Simd, const V: usize>(
    simd: S,
    tiles: usize,
    from: &[f32],
    len: usize,
    steps: Part,
    weight: &[f32],
    out: &mut [f32],
) {
    let places = weight.chunks_exact(weight.len() / PLACES).zip(out.chunks_exact_mut(CHUNK * WIDTH));
    for (place, (weight, out)) in places.enumerate() {
        let groups = vectors_mut::<S, V>(out).as_chunks_mut::<ROWS>().0.iter_mut().take(tiles.div_ceil(ROWS));
        for (group, out) in groups.enumerate() {
            *out = product(simd, from, &rows_from(place * CHUNK + group * ROWS, len), steps, weight);
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

/// Every fourth-part row of `values`, `distance` rows apart: a transformed tile.
#[inline(always)]
fn load<S: Simd, const V: usize>(simd: S, rows: &[Row<S, V>], distance: usize, v: usize) -> [[S::f32s; 4]; 4] {
    let mut d = [[simd.splat_f32s(0.); 4]; 4];
    for y in 0..4 {
        for x in 0..4 {
            d[y][x] = rows[(4 * y + x) * distance][v];
        }
    }
    d
}

/// `V = Bᵀ d B` of a chunk: (place, tile, channel).
#[inline(always)]
fn transform_pixels<S: Simd, const V: usize>(
    simd: S,
    t: &Tiling,
    s: &Shape,
    row: usize,
    tiles: &[Tile],
    images: &[f32],
    out: &mut [f32],
) {
    let pixel = s.in_channels;
    let (distance, zero) = (CHUNK * t.depth, simd.splat_f32s(0.));
    for (i, tile) in tiles.iter().enumerate() {
        for piece in (0..t.depth).step_by(WIDTH) {
            let mut lines = [images; 4];
            for (y, line) in lines.iter_mut().enumerate() {
                *line = &images[tile.start + y * row + piece..][..3 * pixel + WIDTH];
            }
            let out = &mut out[i * t.depth + piece..][..(PLACES - 1) * distance + WIDTH];
            for v in 0..V {
                let mut d = [[zero; 4]; 4];
                for y in 0..4 {
                    for x in 0..4 {
                        d[y][x] = vectors::<S, V>(&lines[y][x * pixel..][..WIDTH])[0][v];
                    }
                }
                let transformed: [[S::f32s; 4]; 4] = both(zero, d, |[a, b, c, d]| {
                    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
                });
                for (place, &value) in transformed.as_flattened().iter().enumerate() {
                    vectors_mut::<S, V>(&mut out[place * distance..][..WIDTH])[0][v] = value;
                }
            }
        }
    }
}

/// The sums of some images.
pub struct Forward<'a> {
    pub s: &'a Shape,
    pub g: &'a Geometry,
    pub t: &'a Tiling,
    /// Padded, channels last, [`Tiling::image`] values each.
    pub images: &'a [f32],
    /// As [`Tiling::transform`] gives them.
    pub weight: &'a [f32],
    /// Scratch of [`Tiling::pixels`] and [`Tiling::SUMS`].
    pub scratch: [&'a mut [f32]; 2],
    /// Scratch for the sums: for each image (block, position, [`WIDTH`]).
    pub sums: &'a mut [f32],
    pub bias: Option<&'a [f32]>,
    /// The images' results.
    pub y: &'a mut [f32],
    /// With pooling, where they are wanted.
    pub winners: Option<&'a mut [u8]>,
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // Of each row of several slices it is vector v.
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, t, images, weight, scratch: [pixels, products], sums, bias, y, mut winners } = self;
        let of_image = g.blocked();
        for tiles in t.chunks(images.len() / t.image) {
            transform_pixels::<S, V>(simd, t, s, g.row, tiles, images, pixels);
            for (block, weight) in weight.chunks_exact(weight.len() / g.blocks).enumerate() {
                multiply::<S, V>(simd, tiles.len(), pixels, t.depth, t.channels.all(), weight, products);
                for (i, tile) in tiles.iter().enumerate() {
                    let sums = &mut sums[tile.image * of_image + block * of_image / g.blocks..][..of_image / g.blocks];
                    let sums = vectors_mut::<S, V>(sums);
                    let products = vectors::<S, V>(&products[i * WIDTH..]);
                    for v in 0..V {
                        let m = load::<S, V>(simd, products, CHUNK, v);
                        let y: [[S::f32s; 2]; 2] = both(simd.splat_f32s(0.), m, |[a, b, c, d]| {
                            [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
                        });
                        for (place, &y) in tile.outputs.iter().zip(y.as_flattened()) {
                            if let Some(place) = *place {
                                sums[place][v] = y;
                            }
                        }
                    }
                }
            }
        }
        let len = s.results();
        for (i, (sums, y)) in sums.chunks_exact_mut(of_image).zip(y.chunks_exact_mut(len)).enumerate() {
            let winners = winners.as_deref_mut().map(|winners| &mut winners[i * len..][..len]);
            let mut target = Target { y, winners };
            for (block, sums) in sums.chunks_exact_mut(of_image / g.blocks).enumerate() {
                target.write::<S, V>(simd, s, block, bias, sums);
            }
        }
    }
}

/// The gradients of some images.
pub struct Backward<'a> {
    pub s: &'a Shape,
    pub g: &'a Geometry,
    pub t: &'a Tiling,
    pub images: &'a [f32],
    /// Gradients of the sums, for each image (block, position, [`WIDTH`]).
    pub dy: &'a [f32],
    /// Scratch of [`Tiling::pixels`], of [`Tiling::SUMS`] for each block, and of [`Tiling::SUMS`].
    pub scratch: [&'a mut [f32]; 3],
    /// Added to: the gradient of what [`Tiling::transform`] gives.
    pub dw: &'a mut [f32],
    /// Added to.
    pub db: &'a mut [f32],
    pub dx: Option<Dx<'a>>,
}

pub struct Dx<'a> {
    /// As [`Tiling::transform_back`] gives them.
    pub weight: &'a [f32],
    /// Where an output channel lies among transformed sums, from the start of its tile.
    pub channels: &'a Steps,
    /// Padded, channels last; added to.
    pub dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, t, images, dy, scratch: [pixels, dm, dv], dw, db, mut dx } = self;
        let pixel = s.in_channels;
        for tiles in t.chunks(images.len() / t.image) {
            transform_pixels::<S, V>(simd, t, s, g.row, tiles, images, pixels);
            let steps = t.steps.part(0..tiles.len());
            let blocks = dm.chunks_exact_mut(Tiling::SUMS).zip(dw.chunks_exact_mut(dw.len() / g.blocks));
            for (block, (dm, dw)) in blocks.enumerate() {
                let db = &mut db[block * WIDTH..];
                transform_gradient::<S, V>(simd, g, tiles, block, dy, dm, db);
                let places = dw.chunks_exact_mut(dw.len() / PLACES).zip(dm.chunks_exact(CHUNK * WIDTH));
                for (place, (dw, dm)) in places.enumerate() {
                    let dm = &dm[..tiles.len() * WIDTH];
                    let dw = vectors_mut::<S, V>(dw).as_chunks_mut::<ROWS>().0;
                    for (dw, channels) in dw.iter_mut().zip(t.channel_rows.as_chunks::<ROWS>().0) {
                        let mut rows = *channels;
                        rows.iter_mut().for_each(|c| *c += place * CHUNK * t.depth);
                        let block = product::<S, V>(simd, pixels, &rows, steps, dm);
                        for (dw, row) in dw.iter_mut().zip(block) {
                            for v in 0..V {
                                dw[v] = simd.add_f32s(dw[v], row[v]);
                            }
                        }
                    }
                }
            }
            let Some(Dx { weight, channels, ref mut dx }) = dx else { continue };
            for (piece, weight) in weight.chunks_exact(PLACES * s.out_channels * WIDTH).enumerate() {
                multiply::<S, V>(simd, tiles.len(), dm, WIDTH, channels.all(), weight, dv);
                for (i, tile) in tiles.iter().enumerate() {
                    let dv = vectors::<S, V>(&dv[i * WIDTH..]);
                    for v in 0..V {
                        let dv = load::<S, V>(simd, dv, CHUNK, v);
                        let dd: [[S::f32s; 4]; 4] = both(simd.splat_f32s(0.), dv, |[a, b, c, d]| {
                            let inner = simd.sub_f32s(b, c);
                            [a, simd.add_f32s(inner, d), simd.sub_f32s(simd.add_f32s(b, c), a), simd.neg_f32s(d)]
                        });
                        for (y, dd) in dd.iter().enumerate() {
                            let line = &mut dx[tile.start + y * g.row + piece * WIDTH..][..3 * pixel + WIDTH];
                            for (x, &dd) in dd.iter().enumerate() {
                                let dx = &mut vectors_mut::<S, V>(&mut line[x * pixel..][..WIDTH])[0][v];
                                *dx = simd.add_f32s(*dx, dd);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `dM = A dY Aᵀ` of a chunk and a block of output channels; adds dY to `db`.
#[inline(always)]
fn transform_gradient<S: Simd, const V: usize>(
    simd: S,
    g: &Geometry,
    tiles: &[Tile],
    block: usize,
    dy: &[f32],
    dm: &mut [f32],
    db: &mut [f32],
) {
    let of_image = g.blocked();
    let zero = simd.splat_f32s(0.);
    let mut total: Row<S, V> = [zero; V];
    for (i, tile) in tiles.iter().enumerate() {
        let dy = vectors::<S, V>(&dy[tile.image * of_image + block * of_image / g.blocks..][..of_image / g.blocks]);
        let dm = vectors_mut::<S, V>(&mut dm[i * WIDTH..]);
        for v in 0..V {
            let mut square = [[zero; 2]; 2];
            for (corner, place) in tile.outputs.iter().enumerate() {
                if let Some(place) = *place {
                    square[corner / 2][corner % 2] = dy[place][v];
                    total[v] = simd.add_f32s(total[v], dy[place][v]);
                }
            }
            let transformed: [[S::f32s; 4]; 4] =
                both(zero, square, |[a, b]| [a, simd.add_f32s(a, b), simd.sub_f32s(a, b), simd.neg_f32s(b)]);
            for (place, &value) in transformed.as_flattened().iter().enumerate() {
                dm[place * CHUNK][v] = value;
            }
        }
    }
    let mut sums = [0f32; WIDTH];
    vectors_mut::<S, V>(&mut sums)[0] = total;
    db.iter_mut().zip(sums).for_each(|(db, sum)| *db += sum);
}
