//! The backward pass, of F(2×2, 3×3).

use super::super::super::parallel;
use super::super::super::tile::{Kernel, ROWS, Row, Steps, WIDTH, product, vectors, vectors_mut};
use super::super::geometry::{Geometry, Shape};
use super::form::both;
use super::tiling::{Tile, WORK, transformed};
use super::{F2, Tiling, multiply, transform_pixels};
use pulp::Simd;

const CHUNK: usize = Tiling::<2>::CHUNK;
const PLACES: usize = Tiling::<2>::PLACES;

impl Tiling<2> {
    /// Weights (C_out, C_in, 3, 3) as the gradient of the input reads them: (block of inputs, place, output, input of the
    /// block).
    pub fn transform_back(&self, s: &Shape, weight: &[f32]) -> Vec<f32> {
        let block = PLACES * s.out_channels * WIDTH;
        parallel::filled(self.depth / WIDTH * block, block, WORK * weight.len(), |i, packed| {
            let packed = packed.take_all();
            for (output, weight) in weight.chunks_exact(s.patch()).enumerate() {
                for (input, g) in weight.as_chunks().0[i * WIDTH..].iter().take(WIDTH).enumerate() {
                    for (place, &value) in transformed::<F2, 2, 4>(g).as_flattened().iter().enumerate() {
                        packed[(place * s.out_channels + output) * WIDTH + input] = value;
                    }
                }
            }
        })
    }

    /// For [`Dx::channels`].
    pub fn output_channels(&self, s: &Shape) -> Steps {
        Steps::new((0..s.out_channels).map(|c| c / WIDTH * Self::SUMS + c % WIDTH).collect())
    }

    /// The gradient of the weights from that of the transformed ones, in the order of [`Tiling::transform`].
    pub fn weight_gradient(&self, s: &Shape, packed: &[f32]) -> Vec<f32> {
        let (depth, len) = (self.channel_rows.len(), s.out_channels * s.patch());
        parallel::filled(len, WIDTH * s.patch(), WORK * len, |block, gradient| {
            let packed = &packed[block * PLACES * depth * WIDTH..];
            for (i, dg) in gradient.take_all().as_chunks_mut::<9>().0.iter_mut().enumerate() {
                let (output, input) = (i / s.in_channels, i % s.in_channels);
                let line = |[a, b, c, d]: [f32; 4]| [a + 0.5 * (b + c), 0.5 * (b - c), 0.5 * (b + c) + d];
                both!(
                    [4 => 3],
                    0.,
                    |y, x| packed[((4 * y + x) * depth + input) * WIDTH + output],
                    |du| line(du),
                    |y, x, value| dg[3 * y + x] = value
                );
            }
        })
    }
}

/// The gradients of some images.
pub struct Backward<'a> {
    pub s: &'a Shape,
    pub g: &'a Geometry,
    pub t: &'a Tiling<2>,
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
    #[allow(clippy::needless_range_loop)] // Of each row of several slices it is vector v.
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, t, images, dy, scratch: [pixels, dm, dv], dw, db, mut dx } = self;
        let pixel = s.in_channels;
        for tiles in t.chunks(images.len() / t.image) {
            transform_pixels::<S, F2, V, 2, 4>(simd, t, s, g.row, tiles, images, pixels);
            let steps = t.steps.part(0..tiles.len());
            let blocks = dm.chunks_exact_mut(Tiling::<2>::SUMS).zip(dw.chunks_exact_mut(dw.len() / g.blocks));
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
                multiply::<S, V, 2>(simd, tiles.len(), dm, WIDTH, channels.all(), weight, dv);
                for (i, tile) in tiles.iter().enumerate() {
                    let dv = vectors::<S, V>(&dv[i * WIDTH..]);
                    for v in 0..V {
                        both!(
                            [4 => 4],
                            simd.splat_f32s(0.),
                            |y, x| dv[(4 * y + x) * CHUNK][v],
                            |[a, b, c, d]| {
                                let (inner, third) = (simd.sub_f32s(b, c), simd.sub_f32s(simd.add_f32s(b, c), a));
                                [a, simd.add_f32s(inner, d), third, simd.neg_f32s(d)]
                            },
                            |y, x, dd| {
                                let line = &mut dx[tile.start + y * g.row + piece * WIDTH..][..3 * pixel + WIDTH];
                                let dx = &mut vectors_mut::<S, V>(&mut line[x * pixel..][..WIDTH])[0][v];
                                *dx = simd.add_f32s(*dx, dd);
                            }
                        );
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
    tiles: &[Tile<2>],
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
            for (corner, place) in tile.outputs.as_flattened().iter().enumerate() {
                if let Some(place) = *place {
                    square[corner / 2][corner % 2] = dy[place][v];
                    total[v] = simd.add_f32s(total[v], dy[place][v]);
                }
            }
            both!(
                [2 => 4],
                zero,
                |y, x| square[y][x],
                |[a, b]| [a, simd.add_f32s(a, b), simd.sub_f32s(a, b), simd.neg_f32s(b)],
                |y, x, value| dm[(4 * y + x) * CHUNK][v] = value
            );
        }
    }
    let mut sums = [0f32; WIDTH];
    vectors_mut::<S, V>(&mut sums)[0] = total;
    db.iter_mut().zip(sums).for_each(|(db, sum)| *db += sum);
}
