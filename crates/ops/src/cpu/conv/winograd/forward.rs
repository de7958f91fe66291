//! The forward pass.

use super::super::super::scratch;
use super::super::super::tile::{Kernel, WIDTH, dispatch, vectors, vectors_mut};
use super::super::epilogue::Target;
use super::super::geometry::{Geometry, Shape};
use super::super::pack;
use super::form::{Form, both};
use super::{Tiling, multiply, transform_pixels};
use pulp::Simd;
use std::marker::PhantomData;

/// The results `y` of as many images `x`, [`Tiling::images`] at most, by weights that [`Tiling::transform`] gives; with
/// pooling the winners too, where they are wanted.
#[allow(clippy::too_many_arguments)]
pub fn images<F: Form<OUT, IN>, const OUT: usize, const IN: usize>(
    s: &Shape,
    g: &Geometry,
    t: &Tiling<OUT>,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
    winners: Option<&mut [u8]>,
) {
    let count = y.len() / s.results();
    let lens = [count * t.image, count * g.blocked(), t.pixels(), Tiling::<OUT>::SUMS];
    scratch::with(lens, |[images, sums, pixels, products]| {
        let planes = x.chunks_exact(s.image()).zip(images.chunks_exact_mut(t.image));
        planes.for_each(|(x, image)| pack::image(s, g, x, image));
        let (scratch, form) = ([pixels, products], PhantomData::<F>);
        dispatch(Forward { s, g, t, images, weight, scratch, sums, bias, y, winners, form });
    });
}

struct Forward<'a, F, const OUT: usize, const IN: usize> {
    s: &'a Shape,
    g: &'a Geometry,
    t: &'a Tiling<OUT>,
    /// Padded, channels last, [`Tiling::image`] values each.
    images: &'a [f32],
    weight: &'a [f32],
    /// Scratch of [`Tiling::pixels`] and [`Tiling::SUMS`].
    scratch: [&'a mut [f32]; 2],
    /// Scratch for the sums: for each image (block, position, [`WIDTH`]).
    sums: &'a mut [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
    winners: Option<&'a mut [u8]>,
    form: PhantomData<F>,
}

impl<F: Form<OUT, IN>, const OUT: usize, const IN: usize> Kernel for Forward<'_, F, OUT, IN> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, g, t, images, weight, scratch: [pixels, products], sums, bias, y, mut winners, form: _ } = self;
        let of_image = g.blocked();
        for tiles in t.chunks(images.len() / t.image) {
            transform_pixels::<S, F, V, OUT, IN>(simd, t, s, g.row, tiles, images, pixels);
            for (block, weight) in weight.chunks_exact(weight.len() / g.blocks).enumerate() {
                multiply::<S, V, OUT>(simd, tiles.len(), pixels, t.depth, t.channels.all(), weight, products);
                for (i, tile) in tiles.iter().enumerate() {
                    let sums = &mut sums[tile.image * of_image + block * of_image / g.blocks..][..of_image / g.blocks];
                    let sums = vectors_mut::<S, V>(sums);
                    let products = vectors::<S, V>(&products[i * WIDTH..]);
                    for v in 0..V {
                        both!(
                            [IN => OUT],
                            simd.splat_f32s(0.),
                            |y, x| products[(IN * y + x) * Tiling::<OUT>::CHUNK][v],
                            |m| F::sums(simd, m),
                            |y, x, value| if let Some(place) = tile.outputs[y][x] {
                                sums[place][v] = value;
                            }
                        );
                    }
                }
            }
        }
        let len = s.results();
        for (i, (sums, y)) in sums.chunks_exact_mut(of_image).zip(y.chunks_exact_mut(len)).enumerate() {
            let winners = winners.as_deref_mut().map(|winners| &mut winners[i * len..][..len]);
            let mut target = Target { y, winners };
            for (block, sums) in sums.chunks_exact_mut(of_image / g.blocks).enumerate() {
                target.write::<S, V>(simd, s, block, bias, 0, sums);
            }
        }
    }
}
