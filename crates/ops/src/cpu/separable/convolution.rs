use super::{
    feature_map::FeatureMap,
    product::{Product, ProductRows},
};
use crate::{cpu::simd::dispatch, window::Window};

/// A convolution of a separable pair.
pub enum Convolution {
    /// With where the taps read relative to the first one.
    Depthwise {
        window: Window,
        taps: Vec<usize>,
    },
    Pointwise,
}

impl Convolution {
    /// Creates a depthwise convolution of a map with the border that it needs.
    pub fn depthwise(input: &FeatureMap, window: Window) -> Self {
        let rows = (0..window.kernel[0]).map(|y| y * input.row_len());
        let taps = rows.flat_map(|row| (0..window.kernel[1]).map(move |x| row + x * input.pitch));
        Self::Depthwise { window, taps: taps.collect() }
    }
}

/// Multiplies all positions of a map without a border by a matrix.
pub fn multiply(product: &Product, input: &FeatureMap, x: &[f32], output: &FeatureMap, y: &mut [f32]) {
    let (rows, steps) = (0..output.size[0], [input.row_len(), input.pitch]);
    dispatch(ProductRows { product, a: x, steps, output, rows, y });
}
