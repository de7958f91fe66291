//! `V = Bᵀ d B`, `M = Σ V · U` and `Y = Aᵀ M A`, a chunk of tiles and a block of output channels at a time. Images are
//! padded and channels last, weights transformed in the order of [`weights::pack`].

use std::{marker::PhantomData, ops::Range};

use pulp::Simd;

use super::{
    stages::{COLUMN_BLOCKS, multiply, transform_pixels},
    tiling::Tiling,
    transforms::{Transforms, transform_2d},
    weights,
};
use crate::cpu::{
    conv::{algorithm::ForwardAlgorithm, output::OutputImage, patch_layout::PatchLayout, shape::ConvShape},
    conv_input::ConvInput,
    map_order::MapOrder,
    scratch,
    simd::{BLOCK_WIDTH, Kernel, dispatch, vectors, vectors_mut},
};

/// The forward pass of F(OUT×OUT, 3×3), with IN = OUT + 2.
pub struct WinogradForward<F, const OUT: usize, const IN: usize> {
    s: ConvShape,
    layout: PatchLayout,
    tiling: Tiling<OUT>,
    /// The weights as packed by [`weights::pack`].
    weight: Vec<f32>,
    transforms: PhantomData<F>,
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> WinogradForward<F, OUT, IN> {
    /// Takes weights (C_out, C_in, 3, 3), and the largest number of images to compute together.
    pub fn new(s: &ConvShape, weight: &[f32], most_images: usize) -> Self {
        let layout = PatchLayout::channels_last(s);
        let tiling = Tiling::new(s, &layout, most_images);
        let weight = weights::pack::<F, OUT, IN>(s, weight);
        Self { s: *s, layout, tiling, weight, transforms: PhantomData }
    }
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> ForwardAlgorithm for WinogradForward<F, OUT, IN> {
    fn images_per_call(&self) -> usize {
        self.tiling.images_per_call
    }

    fn has_orders(&self) -> bool {
        true
    }

    fn set_orders(&mut self, [input_order, result_order]: [MapOrder; 2]) {
        self.s = ConvShape { input_order, result_order, ..self.s };
    }

    fn forward(&self, x: ConvInput, bias: Option<&[f32]>, y: &mut [f32], winners: Option<&mut [u8]>) {
        self.compute(x, bias, 0..self.s.result()[0], y, winners);
    }

    fn rows_per_band(&self) -> Option<usize> {
        let rows = self.tiling.rows_per_band();
        Some(if self.s.is_pooled() { rows / 2 } else { rows })
    }

    fn forward_rows(&self, x: ConvInput, bias: Option<&[f32]>, rows: Range<usize>, y: &mut [f32]) {
        self.compute(x, bias, rows, y, None);
    }
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> WinogradForward<F, OUT, IN> {
    /// Computes these rows of the results of a few images, or of one image if they are not all rows.
    fn compute(
        &self,
        x: ConvInput,
        bias: Option<&[f32]>,
        rows: Range<usize>,
        y: &mut [f32],
        winners: Option<&mut [u8]>,
    ) {
        let Self { s, layout, tiling: t, weight, transforms } = self;
        let count = x.len() / s.input_len();
        let of_output = s.output_rows(rows.clone());
        // A tile at the right edge also reads the start of the row after its last one, hence the + 1.
        let padded_rows = of_output.start..of_output.end.next_multiple_of(OUT) + IN - OUT + 1;
        let block_len = Tiling::<OUT>::BLOCK_LEN;
        let pixels_len = s.in_channels.div_ceil(BLOCK_WIDTH) * block_len;
        let lens = [count * t.image_len, count * layout.blocked_len(), pixels_len, COLUMN_BLOCKS * block_len];
        scratch::with(lens, |[images, output, pixels, products]| {
            let (map, padded) = (s.padded_input(), x.images(s.input_len()).zip(images.chunks_exact_mut(t.image_len)));
            padded.for_each(|(x, image)| map.pad(padded_rows.clone(), x, s.input_order, image));
            let (scratch, transforms) = (ForwardScratch { pixels, products, output }, *transforms);
            dispatch(WinogradForwardKernel {
                s,
                layout,
                t,
                images,
                rows,
                weight,
                scratch,
                bias,
                y,
                winners,
                transforms,
            });
        });
    }
}

/// Computes the results of a few images.
struct WinogradForwardKernel<'a, F, const OUT: usize, const IN: usize> {
    s: &'a ConvShape,
    layout: &'a PatchLayout,
    t: &'a Tiling<OUT>,
    /// Padded, channels last, [`Tiling::image_len`] values each.
    images: &'a [f32],
    /// The rows of the results.
    rows: Range<usize>,
    weight: &'a [f32],
    scratch: ForwardScratch<'a>,
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
    winners: Option<&'a mut [u8]>,
    transforms: PhantomData<F>,
}

struct ForwardScratch<'a> {
    /// For the transformed pixels of a chunk.
    pixels: &'a mut [f32],
    /// For the transformed outputs of a chunk and [`COLUMN_BLOCKS`] blocks of channels.
    products: &'a mut [f32],
    /// For the outputs, for each image (block of channels, position, [`BLOCK_WIDTH`]).
    output: &'a mut [f32],
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> Kernel for WinogradForwardKernel<'_, F, OUT, IN> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, layout, t, images, rows, weight, scratch, bias, y, mut winners, transforms: _ } = self;
        let ForwardScratch { pixels, products, output } = scratch;
        let (image_len, block_len) = (layout.blocked_len(), layout.blocked_len() / layout.channel_blocks);
        let count = images.len() / t.image_len;
        for tiles in t.chunks_of_rows(count, s.output_rows(rows.clone())) {
            transform_pixels::<S, F, V, OUT, IN>(simd, s, layout.row_len, tiles, images, pixels);
            let blocks = weight.chunks(COLUMN_BLOCKS * Tiling::<OUT>::TILE_LEN * s.in_channels * BLOCK_WIDTH);
            for (pair, weight) in blocks.enumerate() {
                multiply::<S, V, OUT>(simd, tiles.len(), pixels, s.in_channels, weight, products);
                let blocks = pair * COLUMN_BLOCKS..layout.channel_blocks.min((pair + 1) * COLUMN_BLOCKS);
                for (block, products) in blocks.zip(products.chunks_exact(Tiling::<OUT>::BLOCK_LEN)) {
                    for (i, tile) in tiles.iter().enumerate() {
                        let output = &mut output[tile.image * image_len + block * block_len..][..block_len];
                        let output = vectors_mut::<S, V>(output);
                        let products = vectors::<S, V>(&products[i * BLOCK_WIDTH..]);
                        for v in 0..V {
                            transform_2d!(
                                [IN => OUT],
                                simd.splat_f32s(0.),
                                |y, x| products[(IN * y + x) * Tiling::<OUT>::STRIDE][v],
                                |m| F::outputs(simd, m),
                                |y, x, value| if let Some(position) = tile.outputs[y][x] {
                                    output[position][v] = value;
                                }
                            );
                        }
                    }
                }
            }
        }
        let (len, first_result, positions) = (y.len() / count, rows.start * s.result()[1], s.positions(rows));
        for (i, (output, y)) in output.chunks_exact_mut(image_len).zip(y.chunks_exact_mut(len)).enumerate() {
            let blocked_len = s.blocked_result_len();
            let winners = winners.as_deref_mut().map(|winners| &mut winners[i * blocked_len..][..blocked_len]);
            let mut result = OutputImage { y, first_result, winners };
            for (block, output) in output.chunks_exact_mut(block_len).enumerate() {
                let output = &mut output[positions.start * BLOCK_WIDTH..positions.end * BLOCK_WIDTH];
                result.write::<S, V>(simd, s, block, bias, positions.start, output);
            }
        }
    }
}
