//! The adjoint of a depthwise or 1×1 convolution on position-major feature maps.

use super::{
    channelwise::{lanes_of, period},
    convolution::{Convolution, multiply},
    depthwise::{Depthwise, DepthwiseRows},
    feature_map::FeatureMap,
    gradients::{DepthwiseGeometry, DepthwiseInputGradient, DepthwiseWeightGradient, PointwiseGradient},
    product::Product,
};
use crate::{
    cpu::simd::{BLOCK_WIDTH, dispatch},
    window::Window,
};

/// The backward pass of a convolution, with the weights in the order in which its kernels read them.
pub enum Adjoint<'a> {
    Depthwise {
        input: &'a FeatureMap,
        window: &'a Window,
        taps: &'a [usize],
        /// The layout of the gradient of the result.
        dz: FeatureMap,
        /// `None` if the input needs no gradient.
        dx: Option<DepthwiseDx>,
    },
    Pointwise {
        input: &'a FeatureMap,
        dz: &'a FeatureMap,
        /// `None` if the input needs no gradient.
        transposed: Option<Product>,
    },
}

/// How the gradient of the input of a depthwise convolution is computed.
pub enum DepthwiseDx {
    /// With stride 1 it is a convolution with the reversed kernel.
    Convolved(Depthwise),
    /// Each position of the result adds to the positions that it has read; with the weights.
    Scattered(Vec<f32>),
}

impl<'a> Adjoint<'a> {
    /// Takes a convolution, the layouts of its input, with the border that it needs, and of its result, without one, and its
    /// weights (C, kh, kw) or (C_out, C_in). `want_dx` says whether the input needs a gradient.
    pub fn new(
        convolution: &'a Convolution,
        [input, output]: [&'a FeatureMap; 2],
        weight: &[f32],
        want_dx: bool,
    ) -> Self {
        match convolution {
            Convolution::Depthwise { window, taps } => {
                let Window { kernel, stride, padding } = *window;
                let reaches = [0, 1].iter().all(|&axis| padding[axis] < kernel[axis]);
                if *stride.iter().max().expect("two axes") > 1 || !reaches {
                    let weight = || Depthwise::block_weights(input, weight, taps.len());
                    let dx = want_dx.then(|| DepthwiseDx::Scattered(weight()));
                    return Self::Depthwise { input, window, taps, dz: output.clone(), dx };
                }
                let border = [0, 1].map(|axis| kernel[axis] - 1 - padding[axis]);
                let dz = FeatureMap { border, ..output.clone() };
                let dx = want_dx.then(|| {
                    let reversed: Vec<f32> =
                        weight.chunks_exact(taps.len()).flat_map(|kernel| kernel.iter().rev()).copied().collect();
                    DepthwiseDx::Convolved(Depthwise::new(&dz, window, input.size[1], (&reversed, None, false)))
                });
                Self::Depthwise { input, window, taps, dz, dx }
            }
            Convolution::Pointwise => {
                let transposed = want_dx.then(|| {
                    let inputs = input.channels;
                    let rows = (0..inputs).flat_map(|channel| weight[channel..].iter().step_by(inputs));
                    let rows: Vec<f32> = rows.copied().collect();
                    Product::new((0..output.channels).collect(), &rows, None, false)
                });
                Self::Pointwise { input, dz: output, transposed }
            }
        }
    }

    /// Returns the layout of the gradient of the result.
    pub fn dz_layout(&self) -> &FeatureMap {
        match self {
            Self::Depthwise { dz, .. } => dz,
            Self::Pointwise { dz, .. } => dz,
        }
    }

    /// Returns the length of the weight gradient as it is accumulated.
    pub fn weight_len(&self) -> usize {
        match self {
            Self::Depthwise { input, taps, .. } => taps.len() * period(input),
            Self::Pointwise { input, dz, .. } => input.pitch * dz.pitch,
        }
    }

    /// Adds the gradient of the weights of one image, of which `x` is the input with its border.
    pub fn add_weight_gradient(&self, x: &[f32], dz: &[f32], dw: &mut [f32]) {
        match self {
            Self::Depthwise { .. } => {
                dispatch(DepthwiseWeightGradient { geometry: self.geometry(), x, dy: dz, dw });
            }
            Self::Pointwise { input, dz: output, .. } => {
                dispatch(PointwiseGradient { x, dy: dz, pitches: [input.pitch, output.pitch], dw });
            }
        }
    }

    fn geometry(&self) -> DepthwiseGeometry<'_> {
        match self {
            Self::Depthwise { input, window, taps, dz, .. } => {
                DepthwiseGeometry { input, output: dz, stride: window.stride, taps }
            }
            Self::Pointwise { .. } => unreachable!("a 1x1 convolution has no taps"),
        }
    }

    /// Writes the gradient of the input, without a border. `padded` is scratch for it with its border.
    pub fn input_gradient(&self, dz: &[f32], padded: &mut [f32], layout: &FeatureMap, dx: &mut [f32]) {
        match self {
            Self::Depthwise { input, dx: Some(kind), .. } => match kind {
                DepthwiseDx::Convolved(depthwise) => {
                    dispatch(DepthwiseRows { depthwise, x: dz, rows: 0..layout.size[0], y: dx });
                }
                DepthwiseDx::Scattered(weight) => {
                    padded.fill(0.);
                    dispatch(DepthwiseInputGradient { geometry: self.geometry(), weight, dy: dz, dx: padded });
                    let rows = padded[input.origin()..].chunks(input.row_len());
                    for (dx, row) in dx.chunks_exact_mut(layout.row_len()).zip(rows) {
                        dx.copy_from_slice(&row[..layout.row_len()]);
                    }
                }
            },
            Self::Pointwise { dz: output, transposed: Some(product), .. } => {
                multiply(product, output, dz, layout, dx);
            }
            _ => unreachable!("the input needs no gradient"),
        }
    }

    /// Converts an accumulated weight gradient to (C, kh, kw) or (C_out, C_in).
    pub fn weight_gradient(&self, accumulated: &[f32]) -> Vec<f32> {
        match self {
            Self::Depthwise { input, taps, .. } => {
                let value = |channel, tap: usize| {
                    lanes_of(input, channel).map(move |lane| {
                        let (block, lane) = (lane / BLOCK_WIDTH, lane % BLOCK_WIDTH);
                        accumulated[(block * taps.len() + tap) * BLOCK_WIDTH + lane]
                    })
                };
                let weights = (0..input.channels).flat_map(|channel| (0..taps.len()).map(move |tap| (channel, tap)));
                weights.map(|(channel, tap)| value(channel, tap).sum()).collect()
            }
            Self::Pointwise { input, dz, .. } => {
                let weights = (0..dz.channels).flat_map(|output| (0..input.channels).map(move |input| (output, input)));
                weights.map(|(output, input)| accumulated[input * dz.pitch + output]).collect()
            }
        }
    }
}
