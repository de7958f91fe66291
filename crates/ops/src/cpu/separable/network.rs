//! The sequence of layers, for one image at a time.

use std::ops::Range;

use super::{
    dense::{Dense, DenseRows},
    depthwise::{Depthwise, DepthwiseRows},
    feature_map::{FeatureMap, map_to_pixels, map_to_planes, planes_to_map},
    product::{BEHIND, Product, ProductRows},
};
use crate::{
    cpu::{parallel, scratch, simd::dispatch},
    window::Window,
};

/// The most values between a depthwise and a 1×1 convolution: half of the first-level cache.
const BETWEEN: usize = 9 << 9;

/// A convolution of the sequence.
#[derive(Debug, Clone)]
pub struct ConvLayer<'a> {
    /// (C_out, C_in, kh, kw), or (C, 1, kh, kw) if it is depthwise.
    pub weight: &'a [f32],
    /// (C_out)
    pub bias: Option<&'a [f32]>,
    pub window: Window,
    /// Height and width of the output.
    pub output: [usize; 2],
    /// True if a ReLU follows.
    pub relu: bool,
}

impl ConvLayer<'_> {
    /// Returns the number of output channels, given the number of values of a patch.
    fn channels(&self, patch: usize) -> usize {
        self.weight.len() / patch
    }

    fn flops(&self) -> usize {
        self.weight.len().saturating_mul(2 * self.output[0] * self.output[1])
    }
}

/// A sequence of layers prepared for images of one size.
pub struct Network {
    /// (C, H, W) of an image.
    input: usize,
    start: Start,
    pairs: Vec<Pair>,
    /// The layout of each pair's input, and of the result.
    maps: Vec<FeatureMap>,
    /// True if the result is in the order (h, w, C_out).
    channels_last: bool,
}

/// How the first feature map is made of an image.
enum Start {
    /// The image itself is transposed.
    Transposed,
    /// It is the result of a dense convolution.
    Convolved { dense: Dense, flops: usize },
}

/// A depthwise convolution and the 1×1 convolution after it.
struct Pair {
    depthwise: Depthwise,
    product: Product,
    /// The number of rows that are computed at a time.
    rows: usize,
    flops: usize,
}

impl Network {
    /// Prepares a dense convolution, if there is one, and pairs of a depthwise and a 1×1 convolution for images (C, H, W).
    pub fn new([channels, height, width]: [usize; 3], first: Option<ConvLayer>, pairs: &[[ConvLayer; 2]]) -> Self {
        let mut readers = pairs.iter().map(|[depthwise, _]| &depthwise.window).chain([]);
        let (start, map) = match first {
            None => (Start::Transposed, FeatureMap::new(channels, [height, width], readers.next())),
            Some(layer) => {
                let flops = layer.flops();
                let ConvLayer { weight, bias, window, output, relu } = layer;
                let out_channels = weight.len() / (channels * window.kernel[0] * window.kernel[1]);
                let map = FeatureMap::new(out_channels, output, readers.next());
                let dense = Dense::new([channels, height, width], &window, &map, (weight, bias, relu));
                (Start::Convolved { dense, flops }, map)
            }
        };
        let (mut maps, mut prepared) = (vec![map], Vec::new());
        for [depthwise, pointwise] in pairs {
            let map = &maps[maps.len() - 1];
            let flops = depthwise.flops().saturating_add(pointwise.flops());
            let ConvLayer { weight, bias, window, output, relu } = *depthwise;
            let next = FeatureMap::new(pointwise.channels(map.channels), output, readers.next());
            let depthwise = Depthwise::new(map, &window, output[1], (weight, bias, relu));
            let product = Product::new(map.channels, &next, (pointwise.weight, pointwise.bias, pointwise.relu));
            // Equal parts: the product takes as long for a few positions as for a whole register block.
            let parts = (output[0] * depthwise.row_len()).div_ceil(BETWEEN);
            let rows = output[0].div_ceil(parts);
            prepared.push(Pair { depthwise, product, rows, flops });
            maps.push(next);
        }
        Self { input: channels * height * width, start, pairs: prepared, maps, channels_last: false }
    }

    /// Says whether results are in the order (h, w, C_out) instead of (C_out, h, w).
    pub fn set_channels_last(&mut self, channels_last: bool) {
        self.channels_last = channels_last;
    }

    /// Returns the layout of the result.
    fn result(&self) -> &FeatureMap {
        &self.maps[self.pairs.len()]
    }

    /// Returns the numbers of values of an image and of its result.
    pub fn sizes(&self) -> [usize; 2] {
        let result = self.result();
        [self.input, result.channels * result.size[0] * result.size[1]]
    }

    /// Returns the number of floating-point operations of one image.
    pub fn flops(&self) -> usize {
        let start = if let Start::Convolved { flops, .. } = self.start { flops } else { 0 };
        self.pairs.iter().fold(start, |sum, pair| sum.saturating_add(pair.flops))
    }

    /// Computes `y` (N, C_out, h, w) from `x` (N, C, H, W), in parallel over images, or for a single image over bands of rows.
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let [image, result] = self.sizes();
        let flops = (y.len() / result).saturating_mul(self.flops());
        parallel::chunks(y, result, flops, |n, y| self.forward_image(&x[n * image..][..image], y));
    }

    fn forward_image(&self, x: &[f32], y: &mut [f32]) {
        let map = self.maps.iter().map(FeatureMap::len).max().unwrap_or(0);
        scratch::with([map, map], |[mut from, mut to]| {
            self.start(x, from);
            for (pair, layouts) in self.pairs.iter().zip(self.maps.windows(2)) {
                pair.run(&from[..layouts[0].len()], &layouts[1], &mut to[..layouts[1].len()]);
                std::mem::swap(&mut from, &mut to);
            }
            let to_result = if self.channels_last { map_to_pixels } else { map_to_planes };
            to_result(self.result(), from, y);
        });
    }

    /// Makes the first feature map.
    fn start(&self, x: &[f32], map: &mut [f32]) {
        let output = &self.maps[0];
        let map = &mut map[..output.len()];
        match &self.start {
            Start::Transposed => planes_to_map(output, x, map),
            Start::Convolved { dense, flops } => for_each_band(output, *flops, map, |rows, y| {
                scratch::with(dense.scratch(), |scratch| dispatch(DenseRows { dense, x, scratch, output, rows, y }));
            }),
        }
    }
}

impl Pair {
    /// Computes the feature map `to` from `from`.
    fn run(&self, from: &[f32], output: &FeatureMap, to: &mut [f32]) {
        let Self { depthwise, product, rows: most, flops } = self;
        for_each_band(output, *flops, to, |band, y| {
            scratch::with([most.min(&band.len()) * depthwise.row_len() + BEHIND * depthwise.pitch()], |[between]| {
                for first in band.clone().step_by(*most) {
                    let rows = first..(first + most).min(band.end);
                    dispatch(DepthwiseRows { depthwise, x: from, rows: rows.clone(), y: &mut *between });
                    let y = &mut y[(first - band.start) * output.row_len()..];
                    ProductRows { product, a: between, pitch: depthwise.pitch(), output, rows, y }.compute();
                }
            });
        });
    }
}

/// Clears the border of a map and calls `f` for bands of rows, with the map from the first position of the band on: for one
/// band on each thread, if the map is the only task and takes so many floating-point operations that this pays.
fn for_each_band(
    map: &FeatureMap,
    flops: usize,
    values: &mut [f32],
    f: impl Fn(Range<usize>, &mut [f32]) + Sync + Send,
) {
    map.clear_border(values);
    let height = map.size[0];
    let rows = height.div_ceil(parallel::parts());
    let end = map.origin() + height * map.row_len() - 2 * map.border[1] * map.pitch;
    parallel::chunks(&mut values[map.origin()..end], rows * map.row_len(), flops, |i, values| {
        f(i * rows..((i + 1) * rows).min(height), values);
    });
}
