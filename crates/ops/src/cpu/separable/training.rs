//! A depthwise or 1×1 convolution with batch normalisation, in training, for a batch of position-major feature maps.
//!
//! What is stored of a layer is the result z of its convolution. It is normalised while the next layer reads it, one image
//! at a time, so that the normalised values stay in the cache; the backward pass does the same in reverse. The sums over the
//! batch that normalisation needs are taken of each image right after it is written, in lanes, and are combined in f64 by
//! the formula of Chan et al. (1979).

use super::{
    adjoint::Adjoint,
    channelwise::{GradientOfNorm, GradientSums, Lanes, Moments, Norm, Normalise, lanes, lanes_of, period},
    convolution::{Convolution, multiply},
    depthwise::{Depthwise, DepthwiseRows},
    feature_map::{FeatureMap, map_to_planes, planes_to_map},
    product::Product,
};
use crate::{
    cpu::{
        batch_norm,
        gradients::Gradients,
        image_groups::{GradientSizes, GroupGradients, accumulate},
        parallel, scratch,
        simd::dispatch,
    },
    window::Window,
};

/// A layer for a batch of a given size.
pub struct TrainingLayer {
    batch: usize,
    convolution: Convolution,
    /// The layout of what the convolution reads, with the border that it needs.
    input: FeatureMap,
    /// The layout of its result, without a border.
    output: FeatureMap,
    relu: bool,
    eps: f64,
}

/// The input of a layer.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// Images (N, C, H, W).
    Planes(&'a [f32]),
    /// What the layer before has computed.
    Layer(&'a Saved),
}

/// The values that the forward pass of a layer saves for the backward pass.
pub struct Saved {
    /// The result of the convolution, (N, position, channel).
    z: Vec<f32>,
    norm: Norm,
    /// The mean of each channel of the batch.
    pub mean: Vec<f32>,
    /// The biased variance of each channel of the batch.
    pub var: Vec<f32>,
}

/// The gradient of a layer's result, and the sums of its gradient that the backward pass of normalisation needs.
pub struct OutputGradient {
    /// (N, position, channel)
    dy: Vec<f32>,
    /// For each image what [`GradientSums`] computes.
    sums: Vec<f32>,
}

impl TrainingLayer {
    /// Takes the layout of the result of the layer before, or of the first input, without a border.
    pub fn depthwise(
        batch: usize,
        input: &FeatureMap,
        window: Window,
        output: [usize; 2],
        (relu, eps): (bool, f64),
    ) -> Self {
        let input = FeatureMap { border: window.padding, ..input.clone() };
        let convolution = Convolution::depthwise(&input, window);
        let output = FeatureMap { size: output, border: [0; 2], ..input.clone() };
        Self { batch, convolution, input, output, relu, eps }
    }

    /// Takes the layout of the result of the layer before, and the number of channels of the result.
    pub fn pointwise(batch: usize, input: &FeatureMap, channels: usize, (relu, eps): (bool, f64)) -> Self {
        let output = FeatureMap::new(channels, input.size, None);
        Self { batch, convolution: Convolution::Pointwise, input: input.clone(), output, relu, eps }
    }

    /// Returns the layout of the result, without a border.
    pub fn output(&self) -> &FeatureMap {
        &self.output
    }

    /// Returns the numbers of images, channels and values of a plane of the result.
    pub fn dims(&self) -> [usize; 3] {
        [self.batch, self.output.channels, self.output.size[0] * self.output.size[1]]
    }

    /// Returns the number of values of a channel in the batch.
    pub fn count(&self) -> usize {
        self.batch * self.output.size[0] * self.output.size[1]
    }

    /// Returns an estimate of the floating-point operations of the forward pass of one image, normalisation included.
    fn flops(&self) -> usize {
        let per_value = match &self.convolution {
            Convolution::Depthwise { taps, .. } => taps.len(),
            Convolution::Pointwise => self.input.channels,
        };
        self.output.len().saturating_mul(2 * per_value + 8)
    }

    /// Computes the layer. `weight` is (C, kh, kw) or (C_out, C_in).
    pub fn forward(&self, x: Input, weight: &[f32], gamma: &[f32], beta: &[f32]) -> Saved {
        let Self { batch, input, output, .. } = self;
        let convolution: Box<dyn Fn(&[f32], &mut [f32]) + Sync + Send> = match &self.convolution {
            Convolution::Depthwise { window, .. } => {
                let depthwise = Depthwise::new(input, window, output.size[1], (weight, None, false));
                Box::new(move |x, y| {
                    dispatch(DepthwiseRows { depthwise: &depthwise, x, rows: 0..output.size[0], y });
                })
            }
            Convolution::Pointwise => {
                let product = Product::new((0..input.channels).collect(), weight, None, false);
                Box::new(move |x, y| multiply(&product, input, x, output, y))
            }
        };
        let (len, sums_len) = (output.len(), 2 * period(output));
        let mut sums = vec![0.; batch * sums_len];
        let flops = batch.saturating_mul(self.flops());
        let z = parallel::filled_zip((batch * len, len), (&mut sums, sums_len), flops, |n, z, sums| {
            let z = z.zeroed();
            scratch::with([input.len()], |[map]| {
                self.read(x, n, map);
                convolution(map, z);
            });
            dispatch(Moments { z, sums });
        });
        let (mean, var) = self.statistics(&sums);
        let affine = batch_norm::affine(gamma, beta, &mean, &batch_norm::inverse_std(&var, self.eps));
        let [scale, shift] = [0, 1].map(|i| lanes(output, |channel| affine[channel][i]));
        Saved { z, norm: Norm { scale, shift, relu: self.relu }, mean, var }
    }

    /// Writes what the convolution reads of image `n` to a map.
    fn read(&self, x: Input, n: usize, map: &mut [f32]) {
        let layout = &self.input;
        match x {
            Input::Planes(planes) => {
                let len = layout.channels * layout.size[0] * layout.size[1];
                planes_to_map(layout, &planes[n * len..][..len], map);
            }
            Input::Layer(saved) => {
                layout.clear_border(map);
                let len = saved.z.len() / self.batch;
                dispatch(Normalise { norm: &saved.norm, z: &saved.z[n * len..][..len], layout, map });
            }
        }
    }

    /// Returns the mean and the biased variance of each channel, given the [`Moments`] of each image.
    fn statistics(&self, moments: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let output = &self.output;
        let (period, lane_len) = (period(output), (output.len() / period(output)) as f64);
        let total = self.count() as f64;
        let of_channel = |channel| {
            let images = moments.chunks_exact(2 * period);
            let parts =
                images.flat_map(|image| lanes_of(output, channel).map(|lane| [image[lane], image[period + lane]]));
            let mean = parts.clone().map(|[sum, _]| f64::from(sum)).sum::<f64>() / total;
            let squares = parts.map(|[sum, squares]| {
                let distance = f64::from(sum) / lane_len - mean;
                f64::from(squares) + lane_len * distance * distance
            });
            (mean as f32, (squares.sum::<f64>() / total) as f32)
        };
        (0..output.channels).map(of_channel).unzip()
    }

    /// Computes the images (N, C, h, w) of the result of the last layer.
    pub fn result(&self, saved: &Saved) -> Vec<f32> {
        let ([batch, channels, plane], layout) = (self.dims(), &self.output);
        let len = channels * plane;
        parallel::filled(batch * len, len, 4 * saved.z.len(), |n, y| {
            let y = y.zeroed();
            scratch::with([layout.len()], |[map]| {
                let z = &saved.z[n * layout.len()..][..layout.len()];
                dispatch(Normalise { norm: &saved.norm, z, layout, map });
                map_to_planes(layout, map, y);
            });
        })
    }

    /// Converts the gradient of [`TrainingLayer::result`].
    pub fn gradient_of_result(&self, saved: &Saved, dy: &[f32]) -> OutputGradient {
        let ([batch, channels, plane], layout) = (self.dims(), &self.output);
        let (len, sums_len, mean) = (layout.len(), 2 * period(layout), self.mean_lanes(saved));
        let mut sums = vec![0.; batch * sums_len];
        let gradient = parallel::filled_zip((batch * len, len), (&mut sums, sums_len), 8 * dy.len(), |n, to, sums| {
            let to = to.zeroed();
            planes_to_map(layout, &dy[n * channels * plane..][..channels * plane], to);
            let z = &saved.z[n * len..][..len];
            dispatch(GradientSums { norm: &saved.norm, mean: &mean, z, dy: to, sums });
        });
        OutputGradient { dy: gradient, sums }
    }

    fn mean_lanes(&self, saved: &Saved) -> Lanes {
        lanes(&self.output, |channel| saved.mean[channel])
    }

    /// Adds the lanes of each channel over the batch: Σ g and Σ g·(z − mean).
    fn gradient_sums(&self, sums: &[f32]) -> [Vec<f32>; 2] {
        let (output, period) = (&self.output, period(&self.output));
        [0, period].map(|start| {
            let of_channel = |channel| {
                let images = sums.chunks_exact(2 * period);
                let parts = images.flat_map(|image| lanes_of(output, channel).map(move |lane| image[start + lane]));
                parts.map(f64::from).sum::<f64>() as f32
            };
            (0..output.channels).map(of_channel).collect()
        })
    }

    /// Computes the gradients of weights, gamma and beta, and of the input: of the layer before, or of the images if
    /// `want_dx`. `before` is the layer that has computed the input.
    pub fn backward(
        &self,
        (x, saved): (Input, &Saved),
        before: Option<&TrainingLayer>,
        (weight, gamma): (&[f32], &[f32]),
        dy: &OutputGradient,
        [want_dx, want_dw]: [bool; 2],
    ) -> (Gradients, Option<OutputGradient>) {
        let Self { batch, input, output, .. } = self;
        let [sum, centred] = self.gradient_sums(&dy.sums);
        let inverse_std = batch_norm::inverse_std(&saved.var, self.eps);
        let coefficients =
            batch_norm::input_coefficients(gamma, &saved.mean, &inverse_std, &sum, &centred, self.count());
        let coefficients = [0, 1, 2, 3].map(|i| lanes(output, |channel| coefficients[channel][i]));

        let adjoint = Adjoint::new(&self.convolution, [input, output], weight, want_dx || before.is_some());
        let (dz_layout, inner) = (adjoint.dz_layout(), FeatureMap { border: [0; 2], ..input.clone() });
        let source = if let Input::Layer(saved) = x { Some(saved) } else { None };
        let mean = before.zip(source).map(|(before, saved)| before.mean_lanes(saved));
        let planes = input.channels * input.size[0] * input.size[1];
        let sizes = GradientSizes {
            batch: *batch,
            image: if before.is_some() { inner.len() } else { planes },
            weight: adjoint.weight_len(),
            // No group is empty.
            bias: 1,
            image_sums: if before.is_some() { 2 * period(&inner) } else { 0 },
            want_dx: want_dx || before.is_some(),
            want_dw,
            flops: batch.saturating_mul(2).saturating_mul(self.flops()),
        };
        let (gradients, sums) = accumulate(&sizes, |images, gradients| {
            let GroupGradients { weight: mut dw, x: mut dx, image_sums, .. } = gradients;
            for (i, n) in images.enumerate() {
                let lens = [input.len(), dz_layout.len(), input.len(), if before.is_some() { 0 } else { inner.len() }];
                scratch::with(lens, |[map, dz, padded_dx, dx_map]| {
                    let [z, dy] = [&saved.z, &dy.dy].map(|values| &values[n * output.len()..][..output.len()]);
                    dz_layout.clear_border(dz);
                    let (norm, coefficients, layout) = (&saved.norm, &coefficients, dz_layout);
                    dispatch(GradientOfNorm { norm, coefficients, z, dy, layout, map: dz });
                    if let Some(dw) = dw.as_deref_mut() {
                        self.read(x, n, map);
                        adjoint.add_weight_gradient(map, dz, dw);
                    }
                    let Some(dx) = &mut dx else { return };
                    let Some((saved, mean)) = source.zip(mean.as_ref()) else {
                        adjoint.input_gradient(dz, padded_dx, &inner, dx_map);
                        return map_to_planes(&inner, dx_map, dx.take_zeroed(planes));
                    };
                    let dx = dx.take_zeroed(inner.len());
                    adjoint.input_gradient(dz, padded_dx, &inner, dx);
                    let (norm, z) = (&saved.norm, &saved.z[n * inner.len()..][..inner.len()]);
                    let sums = &mut image_sums[i * 2 * mean.len()..][..2 * mean.len()];
                    dispatch(GradientSums { norm, mean, z, dy: dx, sums });
                });
            }
        });
        let weight = gradients.weight.map(|accumulated| adjoint.weight_gradient(&accumulated));
        let mut bias: Vec<f32> = centred.iter().zip(&inverse_std).map(|(s, i)| s * i).collect();
        bias.extend(&sum);
        let (dx, before) = match before {
            Some(_) => (None, gradients.x.map(|dy| OutputGradient { dy, sums })),
            None => (gradients.x, None),
        };
        (Gradients { x: dx, weight, bias }, before)
    }
}
