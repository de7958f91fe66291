//! Compares grouped and dilated convolutions with their definition.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{close, convolve, evaluate, gradient, holds, integers, values};
use ops::{Conv1dConfig, Conv2dConfig, Epilogue};
use proptest::prelude::*;

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    /// Input and output channels of a group.
    channels: [usize; 2],
    kernel: [usize; 2],
    input: [usize; 2],
    config: Conv2dConfig,
}

impl Sizes {
    fn shapes(&self) -> [Vec<usize>; 3] {
        let ([inputs, outputs], [kh, kw], [h, w]) = (self.channels, self.kernel, self.input);
        let out_channels = self.config.groups * outputs;
        [vec![self.batch, self.config.groups * inputs, h, w], vec![out_channels, inputs, kh, kw], vec![out_channels]]
    }

    /// Calls `f` with the positions of each input, weight and output value that are multiplied and added, all in
    /// row-major order: the definition of `torch.nn.functional.conv2d`.
    fn each_product(&self, mut f: impl FnMut(usize, usize, usize)) -> Result<()> {
        let Self { batch, channels: [inputs, outputs], kernel: [kh, kw], input: [h, w], config } = *self;
        let [oh, ow] = config.output_size(self.kernel, self.input)?;
        let source = |axis: usize, o: usize, k: usize| {
            let position = o * config.stride[axis] + k * config.dilation[axis];
            position.checked_sub(config.padding[axis]).filter(|&position| position < self.input[axis])
        };
        for (n, group, o, i) in product4([batch, config.groups, outputs, inputs]) {
            let in_channel = (n * config.groups + group) * inputs + i;
            let out_channel = (n * config.groups + group) * outputs + o;
            for (y, x, ky, kx) in product4([oh, ow, kh, kw]) {
                if let (Some(row), Some(column)) = (source(0, y, ky), source(1, x, kx)) {
                    let weight = (((group * outputs + o) * inputs + i) * kh + ky) * kw + kx;
                    f((in_channel * h + row) * w + column, weight, (out_channel * oh + y) * ow + x);
                }
            }
        }
        Ok(())
    }
}

fn product4([a, b, c, d]: [usize; 4]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).flat_map(move |k| (0..d).map(move |l| (i, j, k, l)))))
}

fn sizes() -> impl Strategy<Value = Sizes> {
    (
        1usize..=3,
        prop_oneof![Just(1usize), 2usize..=4],
        [1usize..=9, 1usize..=16],
        [1usize..=3, 1usize..=3],
        [1usize..=4, 1usize..=4],
        [0usize..=3, 0usize..=3],
        [1usize..=4, 1usize..=4],
        [0usize..=6, 0usize..=6],
    )
        .prop_map(|(batch, groups, channels, kernel, stride, padding, dilation, more)| {
            let mut config = Conv2dConfig::default().groups(groups);
            (config.stride, config.padding, config.dilation) = (stride, padding, dilation);
            let dilated = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
            let input = [0, 1].map(|axis| dilated[axis].saturating_sub(2 * padding[axis]).max(1) + more[axis]);
            Sizes { batch, channels, kernel, input, config }
        })
}

/// Fails unless result and gradients are exactly those of the definition, in f32 and f64.
fn equals_the_definition(sizes: &Sizes, seed: u64) -> Result<()> {
    let shapes = sizes.shapes();
    let inputs = shapes.iter().zip(seed..).map(|(shape, seed)| integers(shape, seed)).collect::<Result<Vec<_>>>()?;
    let [oh, ow] = sizes.config.output_size(sizes.kernel, sizes.input)?;
    let out_channels = shapes[2][0];
    let dy = integers(&[sizes.batch, out_channels, oh, ow], seed + 3)?;

    let [x, weight, bias, dy_values] = [&inputs[0], &inputs[1], &inputs[2], &dy].map(values);
    let (x, weight, bias, dy_values) = (x?, weight?, bias?, dy_values?);
    let channel = |output: usize| output / (oh * ow) % out_channels;
    let mut y: Vec<f64> = (0..dy_values.len()).map(|output| bias[channel(output)]).collect();
    let [mut dx, mut dw, mut db] = [vec![0.; x.len()], vec![0.; weight.len()], vec![0.; bias.len()]];
    sizes.each_product(|i, w, o| {
        y[o] += x[i] * weight[w];
        dx[i] += dy_values[o] * weight[w];
        dw[w] += dy_values[o] * x[i];
    })?;
    dy_values.iter().enumerate().for_each(|(output, dy)| db[channel(output)] += dy);

    for dtype in [DType::F32, DType::F64] {
        let inputs = inputs.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        let conv2d = |t: &[Tensor]| ops::conv2d(&t[0], &t[1], Some(&t[2]), &sizes.config);
        let (result, gradients) = evaluate(&inputs, |_| dy.to_dtype(dtype), conv2d)?;
        close("result", &result, &Tensor::from_slice(&y, dy.dims(), &Device::Cpu)?, 0.)?;
        for ((gradient, expected), shape) in gradients.iter().zip([&dx, &dw, &db]).zip(&shapes) {
            let expected = Tensor::from_slice(expected, &shape[..], &Device::Cpu)?;
            close(&format!("gradient of {shape:?}"), gradient, &expected, 0.)?;
        }
    }
    Ok(())
}

/// Fails unless a fused epilogue has the same result and gradients as the separate operators.
fn epilogues_equal_their_parts(sizes: &Sizes, epilogue: Epilogue, seed: u64) -> Result<()> {
    let shapes = sizes.shapes();
    let inputs = shapes.iter().zip(seed..).map(|(shape, seed)| integers(shape, seed)).collect::<Result<Vec<_>>>()?;
    let parts = |t: &[Tensor]| {
        let ys = ops::conv2d(&t[0], &t[1], Some(&t[2]), &sizes.config)?;
        match epilogue {
            Epilogue::None => Ok(ys),
            Epilogue::Relu => ops::relu(&ys),
            Epilogue::ReluMaxPool => ops::max_pool2d(&ops::relu(&ys)?, &ops::Window::pool(2)),
            other => unreachable!("no test for {other:?}"),
        }
    };
    let upstream = |y: &Tensor| integers(y.dims(), seed + 3);
    let fused = |t: &[Tensor]| convolve(&t[0], &t[1], Some(&t[2]), sizes.config, epilogue);
    let (y, gradients) = evaluate(&inputs, upstream, fused)?;
    let (expected, expected_gradients) = evaluate(&inputs, upstream, parts)?;
    close("result", &y, &expected, 0.)?;
    gradients.iter().zip(&expected_gradients).try_for_each(|(g, expected)| close("gradient", g, expected, 0.))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn grouped_and_dilated_convolutions_equal_their_definition(sizes in sizes(), seed in 0u64..1 << 32) {
        holds(equals_the_definition(&sizes, seed))?;
    }

    #[test]
    fn epilogues_of_grouped_and_dilated_convolutions_equal_separate_operators(
        mut sizes in sizes(),
        epilogue in prop_oneof![Just(Epilogue::Relu), Just(Epilogue::ReluMaxPool)],
        seed in 0u64..1 << 32,
    ) {
        // The pooling needs two positions along each axis.
        sizes.input = [0, 1].map(|axis| sizes.input[axis] + sizes.config.stride[axis]);
        holds(epilogues_equal_their_parts(&sizes, epilogue, seed))?;
    }

    #[test]
    fn a_1d_convolution_equals_candles(
        groups in 1usize..=3,
        stride in 1usize..=3,
        padding in 0usize..=3,
        dilation in 1usize..=3,
        length in 7usize..=12,
        seed in 0u64..1 << 32,
    ) {
        let (x, weight) = (integers(&[2, 2 * groups, length], seed)?, integers(&[3 * groups, 2, 3], seed + 1)?);
        let config = candle_nn::Conv1dConfig { padding, stride, dilation, groups, ..Default::default() };
        let expected = x.conv1d(&weight, padding, stride, dilation, groups)?;
        holds(close("result", &ops::conv1d(&x, &weight, None, &config.into())?, &expected, 0.))?;
    }

    #[test]
    fn a_2d_convolution_equals_candles(
        groups in 1usize..=3,
        stride in 1usize..=3,
        padding in 0usize..=3,
        dilation in 1usize..=3,
        size in [7usize..=12, 7usize..=12],
        seed in 0u64..1 << 32,
    ) {
        let x = integers(&[2, 2 * groups, size[0], size[1]], seed)?;
        let weight = integers(&[3 * groups, 2, 3, 2], seed + 1)?;
        let config = candle_nn::Conv2dConfig { padding, stride, dilation, groups, ..Default::default() };
        let expected = x.conv2d(&weight, padding, stride, dilation, groups)?;
        holds(close("result", &ops::conv2d(&x, &weight, None, &config.into())?, &expected, 0.))?;
    }
}

#[test]
fn values_between_those_of_a_dilated_kernel_have_no_influence() -> Result<()> {
    // The kernel of 1x2 with dilation 2 reads columns 0 and 2 of the first row.
    let x = Tensor::new(&[1f32, f32::NAN, 2., f32::INFINITY], &Device::Cpu)?.reshape((1, 1, 1, 4))?.narrow(3, 0, 3)?;
    let weight = Tensor::ones((1, 1, 1, 2), DType::F32, &Device::Cpu)?;
    let config = Conv2dConfig::default().dilation(2);
    assert_eq!(values(&ops::conv2d(&x, &weight, None, &config)?)?, [3.]);
    assert_eq!(values(&gradient(&x, |x| ops::conv2d(x, &weight, None, &config))?)?, [1., 0., 1.]);
    Ok(())
}

#[test]
fn configurations_of_candle_and_of_one_dimension_are_converted() {
    let candle = candle_nn::Conv2dConfig { padding: 2, stride: 3, dilation: 4, groups: 5, ..Default::default() };
    assert_eq!(Conv2dConfig::from(candle), Conv2dConfig::default().padding(2).stride(3).dilation(4).groups(5));
    let candle = candle_nn::Conv1dConfig { padding: 2, stride: 3, dilation: 4, groups: 5, ..Default::default() };
    let row = Conv1dConfig::default().padding(2).stride(3).dilation(4).groups(5);
    assert_eq!(Conv1dConfig::from(candle), row);
    let image = Conv2dConfig::from(row);
    assert_eq!((image.padding, image.stride, image.dilation, image.groups), ([0, 2], [1, 3], [1, 4], 5));
    assert_eq!(Conv2dConfig::from(candle_nn::Conv2dConfig::default()), Conv2dConfig::default());
}
