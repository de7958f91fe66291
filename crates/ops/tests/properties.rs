//! Compares the kernels (f32) with the compositions (f64) on random shapes and memory layouts.
//!
//! The inputs of operators that only add and multiply are small whole numbers: every result is exact and must be equal,
//! and there are many ties and zeros.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{attend, attention_shapes, close, convolve, distinct, evaluate, holds, integers};
use ops::{BatchStatistics, Conv1dConfig, Conv2dConfig, ConvBatchNorm, Epilogue, Window};
use proptest::prelude::*;

/// The layout of a tensor in memory.
#[derive(Debug, Clone, Copy)]
enum Memory {
    Contiguous,
    Transposed,
    Narrowed,
}

/// Returns the same values in the given layout.
fn laid_out(tensor: &Tensor, memory: Memory) -> Result<Tensor> {
    let last = tensor.rank() - 1;
    match memory {
        Memory::Contiguous => Ok(tensor.clone()),
        Memory::Transposed => tensor.transpose(0, last)?.contiguous()?.transpose(0, last),
        Memory::Narrowed => Tensor::cat(&[tensor; 3], last)?.narrow(last, tensor.dim(last)?, tensor.dim(last)?),
    }
}

fn epilogue() -> impl Strategy<Value = Epilogue> {
    prop_oneof![Just(Epilogue::None), Just(Epilogue::Relu), Just(Epilogue::ReluMaxPool)]
}

fn memory() -> impl Strategy<Value = Memory> {
    prop_oneof![Just(Memory::Contiguous), Just(Memory::Transposed), Just(Memory::Narrowed)]
}

fn window(padding: usize) -> impl Strategy<Value = Window> {
    let padding = [0..=padding, 0..=padding];
    ([1usize..=4, 1usize..=4], [1usize..=3, 1usize..=3], padding)
        .prop_map(|(kernel, stride, padding)| Window::new(kernel, stride, padding))
}

/// Numbers of channels below, at and beyond the width of a kernel's block.
fn channels() -> impl Strategy<Value = usize> {
    prop_oneof![1usize..=5, Just(16), Just(17), Just(48)]
}

/// Windows for pooling, with padding of at most half the kernel.
fn pooling_window() -> impl Strategy<Value = Window> {
    window(2).prop_map(|w| Window::new(w.kernel, w.stride, [0, 1].map(|axis| w.padding[axis].min(w.kernel[axis] / 2))))
}

/// Returns the size of an input that is `more` pixels larger than the window needs.
fn size_for(window: &Window, more: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|axis| window.kernel[axis].saturating_sub(2 * window.padding[axis]).max(1) + more[axis])
}

/// Fails unless `f` has the same result and gradients on f32 tensors in the given layout as on f64 tensors, contiguous
/// and in that layout. The gradient of the result has the layout of the inputs.
fn same(inputs: &[Tensor], memory: Memory, tolerance: f64, f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let run = |dtype: DType, memory: Memory| {
        let inputs = inputs.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        evaluate(
            &inputs,
            |y| integers(y.dims(), 99)?.to_dtype(dtype),
            |inputs| {
                let inputs = inputs.iter().map(|t| laid_out(t, memory)).collect::<Result<Vec<_>>>()?;
                laid_out(&f(&inputs)?, memory)
            },
        )
    };
    let (y, gradients) = run(DType::F32, memory)?;
    for (dtype, memory) in [(DType::F64, Memory::Contiguous), (DType::F64, memory)] {
        let (expected_y, expected) = run(dtype, memory)?;
        close("result", &y, &expected_y, tolerance)?;
        for (i, (gradient, expected)) in gradients.iter().zip(&expected).enumerate() {
            close(&format!("gradient of input {i}"), gradient, expected, tolerance)?;
        }
    }
    Ok(())
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn convolution_equals_its_composition(
        batch in prop_oneof![Just(1usize), 2usize..=8, 9usize..=20],
        channels in [channels(), channels()],
        window in window(3),
        more in [0usize..=5, 0usize..=5],
        bias: bool,
        epilogue in epilogue(),
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let ([c_in, c_out], [kh, kw], [mut h, mut w]) = (channels, window.kernel, size_for(&window, more));
        // Sums of products of small whole numbers are exact, but for F(4×4, 3×3) of Winograd, which multiplies by fractions. There
        // a ReLU would take a sum of 0 for either side of its kink.
        let rounds = window.kernel == [3, 3] && c_in.min(c_out) >= 32;
        let (tolerance, epilogue) = if rounds { (1e-4, Epilogue::None) } else { (0., epilogue) };
        if epilogue == Epilogue::ReluMaxPool {
            // The pooling needs two positions along each axis.
            [h, w] = [h + window.stride[0], w + window.stride[1]];
        }
        let mut inputs = vec![integers(&[batch, c_in, h, w], seed)?, integers(&[c_out, c_in, kh, kw], seed + 1)?];
        if bias {
            inputs.push(integers(&[c_out], seed + 2)?);
        }
        holds(same(&inputs, memory, tolerance, |t| convolve(&t[0], &t[1], t.get(2), window, epilogue)))?;
    }

    #[test]
    fn the_maximum_of_a_convolution_equals_its_composition(
        batch in prop_oneof![Just(1usize), 2usize..=8, 9usize..=20],
        channels in [channels(), channels()],
        [kernel, stride] in [1usize..=7, 1usize..=3],
        padding in 0usize..=9,
        more in prop_oneof![0usize..=9, 60usize..=70],
        bias: bool,
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let [c_in, c_out] = channels;
        let mut inputs = vec![integers(&[batch, c_in, kernel + more], seed)?, integers(&[c_out, c_in, kernel], seed + 1)?];
        if bias {
            inputs.push(integers(&[c_out], seed + 2)?);
        }
        let config = Conv1dConfig::default().stride(stride).padding(padding);
        holds(same(&inputs, memory, 0., |t| ops::conv1d_max(&t[0], &t[1], t.get(2), &config)))?;
        // Other groups and dilations are composed.
        let dilated = Conv1dConfig::default().padding(7).dilation(2);
        holds(same(&inputs, memory, 0., |t| ops::conv1d_max(&t[0], &t[1], t.get(2), &dilated)))?;
    }

    /// Covers Winograd's algorithm, whose transformations are exact on small whole numbers.
    #[test]
    fn a_3x3_convolution_of_many_channels_equals_its_composition(
        batch in 1usize..=5,
        channels in [8usize..=18, 8usize..=34],
        size in [2usize..=9, 2usize..=9],
        padding in [0usize..=3, 0usize..=3],
        epilogue in epilogue(),
        seed in 0u64..1 << 32,
    ) {
        let ([c_in, c_out], [h, w]) = (channels, [0, 1].map(|axis| size[axis].max(4 - padding[axis].min(2))));
        let window = Window::new([3, 3], [1, 1], padding);
        let inputs = [integers(&[batch, c_in, h, w], seed)?, integers(&[c_out, c_in, 3, 3], seed + 1)?, integers(&[c_out], seed + 2)?];
        holds(same(&inputs, Memory::Contiguous, 0., |t| convolve(&t[0], &t[1], Some(&t[2]), window, epilogue)))?;
        let rounded = [distinct(inputs[0].dims(), seed)?, distinct(inputs[1].dims(), seed + 1)?];
        holds(same(&rounded, Memory::Contiguous, 1e-6, |t| ops::conv2d(&t[0], &t[1], None, &window.into())))?;
    }

    /// Covers the algorithm that reads planes in place, several images at a time if they are small.
    #[test]
    fn a_1x1_convolution_equals_its_composition(
        batch in prop_oneof![Just(1usize), 2usize..=8, 9usize..=20],
        channels in [channels(), channels()],
        [h, w] in [1usize..=12, 1usize..=12],
        bias: bool,
        relu: bool,
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let ([c_in, c_out], convolve) = (channels, if relu { ops::conv2d_relu } else { ops::conv2d });
        let mut inputs = vec![integers(&[batch, c_in, h, w], seed)?, integers(&[c_out, c_in, 1, 1], seed + 1)?];
        if bias {
            inputs.push(integers(&[c_out], seed + 2)?);
        }
        holds(same(&inputs, memory, 0., |t| convolve(&t[0], &t[1], t.get(2), &Conv2dConfig::default())))?;
    }

    #[test]
    fn depthwise_convolution_equals_its_composition(
        batch in prop_oneof![Just(1usize), 2usize..=8, 9usize..=20],
        channels in prop_oneof![1usize..=5, Just(17)],
        window in window(3),
        more in [0usize..=9, 0usize..=9],
        bias: bool,
        relu: bool,
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let ([kh, kw], [h, w]) = (window.kernel, size_for(&window, more));
        let mut inputs = vec![integers(&[batch, channels, h, w], seed)?, integers(&[channels, 1, kh, kw], seed + 1)?];
        if bias {
            inputs.push(integers(&[channels], seed + 2)?);
        }
        let convolve = if relu { ops::depthwise_conv2d_relu } else { ops::depthwise_conv2d };
        holds(same(&inputs, memory, 0., |t| convolve(&t[0], &t[1], t.get(2), &window)))?;
    }

    #[test]
    fn max_pooling_equals_its_composition(
        dims in [1usize..=5, 1usize..=20],
        window in pooling_window(),
        more in [0usize..=7, 0usize..=7],
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let ([n, c], [h, w]) = (dims, size_for(&window, more));
        holds(same(&[integers(&[n, c, h, w], seed)?], memory, 0., |t| ops::max_pool2d(&t[0], &window)))?;
    }

    #[test]
    fn average_pooling_equals_its_composition(
        dims in [1usize..=5, 1usize..=20],
        window in pooling_window(),
        more in [0usize..=7, 0usize..=7],
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let ([n, c], [h, w]) = (dims, size_for(&window, more));
        holds(same(&[integers(&[n, c, h, w], seed)?], memory, 1e-6, |t| ops::avg_pool2d(&t[0], &window)))?;
    }

    #[test]
    fn adaptive_and_global_pooling_equal_their_compositions(
        dims in [1usize..=4, 1usize..=20, 1usize..=9, 1usize..=9],
        output in [1usize..=5, 1usize..=5],
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let x = [integers(&dims, seed)?];
        holds(same(&x, memory, 0., |t| ops::adaptive_max_pool2d(&t[0], output)))?;
        holds(same(&x, memory, 1e-6, |t| ops::adaptive_avg_pool2d(&t[0], output)))?;
        holds(same(&x, memory, 0., |t| ops::global_max_pool(&t[0])))?;
        holds(same(&x, memory, 1e-6, |t| ops::global_avg_pool(&t[0])))?;
        holds(same(&x, memory, 1e-6, |t| ops::global_avg_max_pool(&t[0])))?;
    }

    /// Covers planes that lie side by side, several blocks of them, and planes that are so large that they lie alone.
    #[test]
    fn smooth_maxima_equal_their_compositions(
        dims in [1usize..=3, 1usize..=40],
        [h, w] in prop_oneof![3 => [1usize..=9, 1usize..=9], 1 => [15usize..=18, 15usize..=18]],
        parameter in prop_oneof![Just(-1.), Just(0.5), Just(3.), Just(20.)],
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let x = (integers(&[dims[0], dims[1], h, w], seed)? * 0.25)?;
        let inputs = [x, Tensor::new(&[parameter as f32], &Device::Cpu)?];
        // The gradient of the parameter is a sum of terms that cancel. At the least parameter, the result itself is a quotient
        // of two numbers near 0.
        let tolerance = if parameter > 0. { 3e-5 } else { 1e-3 };
        let results = |pool: fn(&Tensor, &Tensor) -> Result<Tensor>| {
            same(&inputs, memory, tolerance, |t| pool(&t[0], &t[1]))
        };
        if parameter > 0. {
            holds(results(ops::lse_pool))?;
            holds(results(ops::gem_pool))?;
        } else {
            // There the gradient of the parameter is a difference that is rounded, divided by its square.
            let constant = &inputs[1];
            for pool in [ops::lse_pool, ops::gem_pool] {
                let pool = |t: &[Tensor]| pool(&t[0], &constant.to_dtype(t[0].dtype())?);
                holds(same(&[(&inputs[0] + 3.)?], memory, tolerance, pool))?;
            }
        }
    }

    #[test]
    fn a_pyramid_equals_its_levels(
        dims in [1usize..=4, 1usize..=40],
        [h, w] in prop_oneof![3 => [1usize..=9, 1usize..=9], 1 => [15usize..=18, 15usize..=18]],
        levels in prop::collection::vec(1usize..=5, 1..=4),
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let x = [integers(&[dims[0], dims[1], h, w], seed)?];
        holds(same(&x, memory, 0., |t| ops::spatial_pyramid_pool(&t[0], &levels)))?;
        let upstream = |y: &Tensor| integers(y.dims(), seed);
        let (fused, fused_gradients) = evaluate(&x, upstream, |t| ops::spatial_pyramid_pool(&t[0], &levels))?;
        let (parts, gradients) = evaluate(&x, upstream, |t| {
            let level = |n: &usize| ops::adaptive_max_pool2d(&t[0], [*n, *n])?.flatten_from(1);
            Tensor::cat(&levels.iter().map(level).collect::<Result<Vec<_>>>()?, 1)
        })?;
        holds(close("result", &fused, &parts, 0.))?;
        holds(close("gradient", &fused_gradients[0], &gradients[0], 0.))?;
    }

    /// Covers several calls within a batch, small and large images, and numbers of hidden units beside a vector's.
    #[test]
    fn attention_equals_its_composition(
        dims in prop_oneof![[1usize..=20, 1usize..=20, 1usize..=6, 1usize..=6], [1usize..=3, 1usize..=4, 17usize..=19, 17usize..=19]],
        hidden in prop_oneof![1usize..=5, Just(16), Just(17)],
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let shapes = attention_shapes(&dims, hidden);
        let inputs = shapes.iter().zip(seed..).map(|(shape, seed)| integers(shape, seed)? * 0.25);
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        holds(same(&inputs, memory, 1e-5, attend))?;
    }

    #[test]
    fn one_dimensional_operators_equal_their_compositions(
        dims in [1usize..=4, 1usize..=4, 4usize..=12],
        kernel in 1usize..=4,
        stride in 1usize..=3,
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let x = integers(&dims, seed)?;
        let weight = integers(&[3, dims[1], kernel], seed + 1)?;
        let config = Conv1dConfig::default().stride(stride).padding(kernel - 1);
        holds(same(&[x.clone(), weight], memory, 0., |t| ops::conv1d(&t[0], &t[1], None, &config)))?;
        let x = [x];
        holds(same(&x, memory, 0., |t| ops::max_pool1d(&t[0], kernel, stride, kernel / 2)))?;
        holds(same(&x, memory, 1e-6, |t| ops::avg_pool1d(&t[0], kernel, stride, kernel / 2)))?;
        holds(same(&x, memory, 0., |t| ops::global_max_pool(&t[0])))?;
    }

    #[test]
    fn linear_activations_and_losses_equal_their_compositions(
        dims in [1usize..=40, 1usize..=20, 1usize..=40],
        bias: bool,
        relu: bool,
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let [n, d, k] = dims;
        let mut inputs = vec![integers(&[n, d], seed)?, integers(&[k, d], seed + 1)?];
        if bias {
            inputs.push(integers(&[k], seed + 2)?);
        }
        let linear = if relu { ops::linear_relu } else { ops::linear };
        holds(same(&inputs, memory, 0., |t| linear(&t[0], &t[1], t.get(2))))?;
        holds(same(&inputs[..1], memory, 0., |t| ops::relu(&t[0])))?;
        holds(same(&inputs[..1], memory, 1e-6, |t| ops::elu(&t[0], 0.5)))?;
        let twice = [inputs[0].clone(), integers(inputs[0].dims(), seed + 3)?];
        holds(same(&twice, memory, 0., |t| ops::add_relu(&t[0], &t[1])))?;
        let classes = inputs[0].dim(1)? as u32;
        let targets = Tensor::from_iter((0..inputs[0].dim(0)? as u32).map(|i| i % classes), &Device::Cpu)?;
        holds(same(&inputs[..1], memory, 1e-6, |t| ops::cross_entropy(&t[0], &targets)?.unsqueeze(0)))?;
        let smoothed = |t: &[Tensor]| ops::cross_entropy_smoothed(&t[0], &targets, 0.1)?.unsqueeze(0);
        holds(same(&inputs[..1], memory, 1e-6, smoothed))?;
    }

    #[test]
    fn batch_normalisation_equals_its_composition(
        dims in [2usize..=12, 1usize..=5, 1usize..=6, 1usize..=6],
        rank in 2usize..=4,
        memory in memory(),
        seed in 0u64..1 << 32,
    ) {
        let c = dims[1];
        let inputs = [distinct(&dims[..rank], seed)?, distinct(&[c], seed + 1)?, distinct(&[c], seed + 2)?];
        holds(same(&inputs, memory, 1e-4, |t| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, false)?.0)))?;
        // A variance near zero would make terms so large that their rounding is no longer small beside a sum that cancels.
        let (mean, var) = (distinct(&[c], seed + 3)?, (distinct(&[c], seed + 4)?.sqr()? + 0.1)?);
        holds(same(&inputs, memory, 1e-4, |t| {
            let [mean, var] = [&mean, &var].map(|s| s.to_dtype(t[0].dtype()));
            ops::batch_norm(&t[0], &t[1], &t[2], &BatchStatistics { mean: mean?, var: var? }, 1e-5, false)
        }))?;
    }

    #[test]
    fn a_normalised_convolution_equals_its_parts(
        batch in 2usize..=18,
        channels in [1usize..=5, 1usize..=18],
        window in prop_oneof![3 => window(1), 1 => Just(Window::conv(1))],
        more in [2usize..=7, 2usize..=7],
        bias: bool,
        depthwise: bool,
        epilogue in epilogue(),
        seed in 0u64..1 << 32,
    ) {
        let ([c_in, c_out], [kh, kw], [h, w]) = (channels, window.kernel, size_for(&window, more));
        let [h, w] = [h + window.stride[0], w + window.stride[1]];
        let (c_out, per_output) = if depthwise { (c_in, 1) } else { (c_out, c_in) };
        let shapes = [&[batch, c_in, h, w][..], &[c_out, per_output, kh, kw], &[c_out], &[c_out], &[c_out]];
        let inputs = shapes[..4 + usize::from(bias)].iter().zip(seed..);
        let inputs: Vec<Tensor> =
            inputs.map(|(shape, seed)| distinct(shape, seed)?.to_dtype(DType::F32)).collect::<Result<_>>()?;
        let fused = |t: &[Tensor]| -> Result<(Tensor, BatchStatistics)> {
            let layer = ConvBatchNorm::new(&t[1], window, &t[2], &t[3]);
            let layer = layer.bias(t.get(4)).depthwise(depthwise).epilogue(epilogue);
            let (ys, mut statistics) = ops::conv_batch_norm_train(&t[0], &[layer])?;
            Ok((ys, statistics.remove(0)))
        };
        let parts = |t: &[Tensor]| -> Result<(Tensor, BatchStatistics)> {
            let ys = if depthwise {
                ops::depthwise_conv2d(&t[0], &t[1], t.get(4), &window)?
            } else {
                ops::conv2d(&t[0], &t[1], t.get(4), &window.into())?
            };
            let (ys, statistics) = ops::batch_norm_train(&ys, &t[2], &t[3], 1e-5, epilogue != Epilogue::None)?;
            Ok((if epilogue == Epilogue::ReluMaxPool { ops::max_pool2d(&ys, &Window::pool(2))? } else { ys }, statistics))
        };
        // The parts add the bias before they normalise, which rounds, and its gradient is noise around 0.
        let tolerance = if bias { 1e-3 } else { 0. };
        let (a, b) = (fused(&inputs)?.1, parts(&inputs)?.1);
        holds(close("mean", &a.mean, &b.mean, tolerance))?;
        holds(close("variance", &a.var, &b.var, tolerance))?;
        if bias && epilogue != Epilogue::None {
            return Ok(()); // Values at the kink of the ReLU may be rounded to either side.
        }
        let upstream = |y: &Tensor| integers(y.dims(), seed);
        let (y, gradients) = evaluate(&inputs, upstream, |t| Ok(fused(t)?.0))?;
        let (expected, expected_gradients) = evaluate(&inputs, upstream, |t| Ok(parts(t)?.0))?;
        holds(close("result", &y, &expected, tolerance))?;
        for (gradient, expected) in gradients.iter().zip(&expected_gradients) {
            holds(close("gradient", gradient, expected, tolerance))?;
        }
    }

    #[test]
    fn a_fused_relu_equals_a_relu_after_the_operator(
        dims in [2usize..=9, 1usize..=4, 1usize..=5, 1usize..=5],
        seed in 0u64..1 << 32,
    ) {
        let c = dims[1];
        let inputs = [&dims[..], &[c][..], &[c]].map(|shape| distinct(shape, seed)?.to_dtype(DType::F32));
        let [x, gamma, beta] = inputs;
        let inputs = [x?, gamma?, beta?];
        let upstream = |y: &Tensor| integers(y.dims(), seed);
        let train = |t: &[Tensor], relu| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, relu)?.0);
        let (fused, fused_gradients) = evaluate(&inputs, upstream, |t| train(t, true))?;
        let (plain, plain_gradients) = evaluate(&inputs, upstream, |t| ops::relu(&train(t, false)?))?;
        holds(close("result", &fused, &plain, 0.))?;
        for (fused, plain) in fused_gradients.iter().zip(&plain_gradients) {
            holds(close("gradient", fused, plain, 0.))?;
        }
    }
}
