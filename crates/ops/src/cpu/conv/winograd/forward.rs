//! `V = Bᵀ d B`, `M = Σ V · U` and `Y = Aᵀ M A`, a chunk of tiles and a block of output channels at a time. Images are
//! channels last, and padded unless their channels fill whole blocks; weights are transformed in the order of
//! [`weights::pack`]. The results are written when a tile of outputs has been transformed.

use std::{marker::PhantomData, ops::Range, sync::OnceLock};

use pulp::Simd;

use super::{
    in_image::Places,
    stages::{COLUMN_BLOCKS, Pixels, multiply, transform_pixels},
    tiling::{Tile, Tiling},
    transforms::{Transforms, transform_2d},
    weights,
};
use crate::cpu::{
    conv::{
        algorithm::ForwardAlgorithm,
        patch_layout::PatchLayout,
        results::{ChannelVector, Results, shift},
        shape::ConvShape,
    },
    conv_input::ConvInput,
    map_order::MapOrder,
    scratch,
    simd::{BLOCK_WIDTH, Kernel, dispatch, vectors},
};

/// The forward pass of F(OUT×OUT, 3×3), with IN = OUT + 2.
pub struct WinogradForward<F, const OUT: usize, const IN: usize> {
    s: ConvShape,
    layout: PatchLayout,
    tiling: Tiling<OUT>,
    /// The weights as packed by [`weights::pack`].
    weight: Vec<f32>,
    /// Computed when they are needed: most convolutions in training normalise their input, and pad it.
    places: OnceLock<Places>,
    transforms: PhantomData<F>,
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> WinogradForward<F, OUT, IN> {
    /// Takes weights (C_out, C_in, 3, 3), and the largest number of images to compute together.
    pub fn new(s: &ConvShape, weight: &[f32], most_images: usize) -> Self {
        let layout = PatchLayout::channels_last(s);
        let tiling = Tiling::new(s, &layout, most_images);
        let weight = weights::pack::<F, OUT, IN>(s, weight);
        Self { s: *s, layout, tiling, weight, places: OnceLock::new(), transforms: PhantomData }
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
        let Self { s, layout, tiling: t, weight, places, transforms } = self;
        let count = x.len() / s.input_len();
        let of_output = s.output_rows(rows.clone());
        // A tile at the right edge also reads the start of the row after its last one, hence the + 1.
        let padded_rows = of_output.start..of_output.end.next_multiple_of(OUT) + IN - OUT + 1;
        let block_len = Tiling::<OUT>::BLOCK_LEN;
        let pixels_len = s.in_channels.div_ceil(BLOCK_WIDTH) * block_len;
        let planes = if s.result_order == MapOrder::Planes { count * s.blocked_result_len() } else { 0 };
        let fills_blocks = s.input_order == MapOrder::Pixels && s.in_channels.is_multiple_of(BLOCK_WIDTH);
        let stored = x.stored().filter(|_| fills_blocks);
        let padded_len = if stored.is_some() { 0 } else { count * t.image_len };
        let lens = [padded_len, planes, pixels_len, COLUMN_BLOCKS * block_len];
        scratch::with(lens, |[images, blocks, pixels, products]| {
            let (map, padded) = (s.padded_input(), x.images(s.input_len()).zip(images.chunks_exact_mut(t.image_len)));
            padded.for_each(|(x, image)| map.pad(padded_rows.clone(), x, s.input_order, image));
            let images = match stored {
                Some(x) => Pixels::Unpadded(x, places.get_or_init(|| Places::new(s, t))),
                None => Pixels::Padded(images),
            };
            let (values, planes) = if planes > 0 { (blocks, Some(y)) } else { (y, None) };
            let first_result = rows.start * s.result()[1];
            let results = Results::new(s, values, count, first_result, winners);
            let (rows, transforms) = (of_output, *transforms);
            dispatch(WinogradForwardKernel {
                s,
                layout,
                t,
                count,
                images,
                rows,
                weight,
                pixels,
                products,
                bias,
                results,
                planes,
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
    /// The number of images.
    count: usize,
    images: Pixels<'a>,
    /// The rows of the output that are computed.
    rows: Range<usize>,
    weight: &'a [f32],
    /// Scratch for the transformed pixels of a chunk.
    pixels: &'a mut [f32],
    /// Scratch for the transformed outputs of a chunk and [`COLUMN_BLOCKS`] blocks of channels.
    products: &'a mut [f32],
    bias: Option<&'a [f32]>,
    results: Results<'a>,
    /// Where the results are copied to in the order [`MapOrder::Planes`].
    planes: Option<&'a mut [f32]>,
    transforms: PhantomData<F>,
}

impl<F: Transforms<OUT, IN>, const OUT: usize, const IN: usize> Kernel for WinogradForwardKernel<'_, F, OUT, IN> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, layout, pixels, products, mut results, .. } = self;
        for tiles in self.t.chunks_of_rows(self.count, self.rows) {
            transform_pixels::<S, F, V, OUT, IN>(simd, s, tiles, self.images, pixels);
            let blocks = self.weight.chunks(COLUMN_BLOCKS * Tiling::<OUT>::TILE_LEN * s.in_channels * BLOCK_WIDTH);
            for (pair, weight) in blocks.enumerate() {
                multiply::<S, V, OUT>(simd, tiles.len(), pixels, s.in_channels, weight, products);
                let blocks = pair * COLUMN_BLOCKS..layout.channel_blocks.min((pair + 1) * COLUMN_BLOCKS);
                for (block, products) in blocks.zip(products.chunks_exact(Tiling::<OUT>::BLOCK_LEN)) {
                    let shift = shift::<S, V>(self.bias, block);
                    for (i, tile) in tiles.iter().enumerate() {
                        let products = vectors::<S, V>(&products[i * BLOCK_WIDTH..]);
                        for v in 0..V {
                            let mut outputs = [[simd.splat_f32s(0.); OUT]; OUT];
                            transform_2d!(
                                [IN => OUT],
                                simd.splat_f32s(0.),
                                |y, x| products[(IN * y + x) * Tiling::<OUT>::STRIDE][v],
                                |m| F::outputs(simd, m),
                                |y, x, value| outputs[y][x] = value
                            );
                            let at = ChannelVector { image: tile.image, block, channel: v * S::F32_LANES };
                            write_tile(simd, &mut results, s, tile, at, shift[v], &outputs);
                        }
                    }
                }
            }
        }
        if let Some(y) = self.planes {
            results.copy_to_planes(y);
        }
    }
}

/// Writes the outputs of a tile for a vector of channels, whose bias is `shift`.
#[inline(always)]
fn write_tile<S: Simd, const OUT: usize>(
    simd: S,
    results: &mut Results,
    s: &ConvShape,
    tile: &Tile<OUT>,
    at: ChannelVector,
    shift: S::f32s,
    outputs: &[[S::f32s; OUT]; OUT],
) {
    if s.is_pooled() {
        for (outputs, positions) in outputs.as_chunks::<2>().0.iter().zip(tile.outputs.as_chunks::<2>().0) {
            for x in (0..OUT).step_by(2) {
                let window = [outputs[0][x], outputs[0][x + 1], outputs[1][x], outputs[1][x + 1]];
                if let Some(position) = positions[0][x] {
                    if results.has_winners() {
                        results.write_pooled::<S, true>(simd, at, position / 4, shift, window);
                    } else {
                        results.write_pooled::<S, false>(simd, at, position / 4, shift, window);
                    }
                }
            }
        }
        return;
    }
    for (outputs, positions) in outputs.iter().zip(&tile.outputs) {
        for (&output, position) in outputs.iter().zip(positions) {
            if let Some(position) = *position {
                results.write(simd, at, position, shift, output);
            }
        }
    }
}
