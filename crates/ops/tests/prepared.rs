//! Compares convolutions prepared for inference with the compositions (f64) on random shapes and batches, and checks
//! chains.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{close, convolve, distinct, holds, holds_value};
use ops::prepared::{Chain, Conv2d, ConvLayer, Identity, Pool, Prepared, Relu, SeparableConvs, add_relu};
use ops::{Epilogue, Window, depthwise_conv2d, relu};
use proptest::prelude::*;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Fails unless the prepared convolution has the same results, and the same bits for an image alone as in a batch.
fn same(inputs: &[Tensor], window: &Window, epilogue: Epilogue) -> Result<()> {
    let [xs, weight, bias] = inputs else { unreachable!("three inputs") };
    let (batch, channels, height, width) = xs.dims4()?;
    let exact = inputs.iter().map(|t| t.to_dtype(DType::F64)).collect::<Result<Vec<_>>>()?;
    let expected = convolve(&exact[0], &exact[1], Some(&exact[2]), *window, epilogue)?;

    let prepared = Conv2d::new(weight, Some(bias), window, epilogue, [channels, height, width])?;
    let values: Vec<f32> = xs.flatten_all()?.to_vec1()?;
    let mut y = vec![f32::NAN; expected.elem_count()];
    prepared.run(&values, &mut y)?;
    close("result", &Tensor::from_slice(&y, expected.dims(), &Device::Cpu)?, &expected, 4e-6)?;

    let mut alone = vec![f32::NAN; y.len()];
    let images = values.chunks_exact(values.len() / batch).zip(alone.chunks_exact_mut(y.len() / batch));
    images.into_iter().try_for_each(|(x, y)| prepared.run(x, y))?;
    assert!(bits(&alone) == bits(&y), "an image alone has other results");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Covers Winograd's algorithm with tiles of 4x4, including those at the edge.
    #[test]
    fn a_prepared_3x3_convolution_of_many_channels_is_the_plain_one(
        batch in 1usize..=7,
        channels in [8usize..=34, 8usize..=34],
        size in [2usize..=17, 2usize..=17],
        padding in [0usize..=3, 0usize..=3],
        epilogue in prop_oneof![Just(Epilogue::None), Just(Epilogue::Relu), Just(Epilogue::ReluMaxPool)],
        seed in 0u64..1 << 32,
    ) {
        let ([c_in, c_out], [h, w]) = (channels, [0, 1].map(|axis| size[axis].max(4 - padding[axis].min(2))));
        let window = Window::new([3, 3], [1, 1], padding);
        let shapes: [&[usize]; 3] = [&[batch, c_in, h, w], &[c_out, c_in, 3, 3], &[c_out]];
        let inputs = (seed..).zip(shapes).map(|(seed, shape)| distinct(shape, seed)?.to_dtype(DType::F32));
        holds(inputs.collect::<Result<Vec<_>>>().and_then(|inputs| same(&inputs, &window, epilogue)))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Between two convolutions feature maps are channels last, and the rows of a single image's are divided between threads.
    #[test]
    fn an_image_alone_has_the_bits_of_an_image_in_a_batch_on_any_number_of_threads(
        channels in [1usize..=40, 12usize..=40],
        size in [20usize..=45, 20usize..=45],
        window in (1usize..=5, 1usize..=2, 0usize..=2),
        epilogue in prop_oneof![Just(Epilogue::None), Just(Epilogue::Relu), Just(Epilogue::ReluMaxPool)],
        classes in 1usize..=100,
        threads in 1usize..=4,
        seed in 0u64..1 << 32,
    ) {
        let (kernel, stride, padding) = window;
        let window = Window::conv(kernel).stride(stride).padding(padding);
        let ([inner, outer], [h, w]) = (channels, size);
        let conv = |seed, outputs: usize, window: &Window, epilogue, input: [usize; 3]| {
            let weight = distinct(&[outputs, input[0], window.kernel[0], window.kernel[1]], seed)?;
            Ok::<_, candle_core::Error>(Box::new(Conv2d::new(&weight.to_dtype(DType::F32)?, None, window, epilogue, input)?))
        };
        let first = holds_value(conv(seed, outer, &window, epilogue, [inner, h, w]))?;
        let [out_h, out_w] = epilogue.result(window.output_size(size).unwrap());
        let second = holds_value(conv(seed + 1, classes, &Window::conv(3).padding(1), Epilogue::None, [outer, out_h, out_w]))?;
        let chain = holds_value(Chain::new(vec![first as Box<dyn Prepared>, second]))?;
        let [input, output] = chain.sizes();
        let x = holds_value(distinct(&[2, input], seed + 2).and_then(|x| x.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()))?;
        let mut both = vec![f32::NAN; 2 * output];
        holds_value(chain.run(&x, &mut both))?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for (x, together) in x.chunks_exact(input).zip(both.chunks_exact(output)) {
            let (mut outside, mut inside) = (vec![f32::NAN; output], vec![f32::NAN; output]);
            holds_value(chain.run(x, &mut outside))?;
            holds_value(pool.install(|| chain.run(x, &mut inside)))?;
            prop_assert_eq!(bits(&outside), bits(together));
            prop_assert_eq!(bits(&inside), bits(together));
        }
    }
}

/// Returns the layers of a dense convolution, if `dense` has its channels, kernel, stride and padding, and of pairs of a
/// depthwise convolution (kernel, stride and padding) and a 1x1 convolution (channels).
fn separable_layers(
    mut channels: usize,
    dense: Option<[usize; 4]>,
    pairs: &[([[usize; 2]; 3], usize)],
    relu: bool,
    mut seed: u64,
) -> Result<Vec<ConvLayer>> {
    let mut random = |shape: &[usize]| {
        seed += 1;
        let values = distinct(shape, seed)?;
        // Unlike larger values, these keep the results of several layers in the same range.
        let scale = 2. / (values.elem_count() as f64 * 0.1 * (shape[1..].iter().product::<usize>() as f64).sqrt());
        (values * scale)?.to_dtype(DType::F32)
    };
    let mut layers = Vec::new();
    if let Some([outputs, kernel, stride, padding]) = dense {
        let weight = random(&[outputs, channels, kernel, kernel])?;
        let window = Window::conv(kernel).stride(stride).padding(padding);
        layers.push(ConvLayer::new(weight, Some(random(&[outputs])?), window, false, relu));
        channels = outputs;
    }
    for &([kernel, stride, padding], outputs) in pairs {
        let weight = random(&[channels, 1, kernel[0], kernel[1]])?;
        let window = Window::new(kernel, stride, padding);
        layers.push(ConvLayer::new(weight, Some(random(&[channels])?), window, true, !relu));
        layers.push(ConvLayer::new(random(&[outputs, channels, 1, 1])?, None, Window::conv(1), false, relu));
        channels = outputs;
    }
    Ok(layers)
}

/// Computes layers one after the other, in f64.
fn in_turn(xs: &Tensor, layers: &[ConvLayer]) -> Result<Tensor> {
    layers.iter().try_fold(xs.to_dtype(DType::F64)?, |xs, layer| {
        let weight = layer.weight.to_dtype(DType::F64)?;
        let bias = layer.bias.as_ref().map(|bias| bias.to_dtype(DType::F64)).transpose()?;
        let ys = match layer.depthwise {
            true => depthwise_conv2d(&xs, &weight, bias.as_ref(), &layer.window),
            false => convolve(&xs, &weight, bias.as_ref(), layer.window, Epilogue::None),
        }?;
        if layer.relu { relu(&ys) } else { Ok(ys) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn separable_convolutions_prepared_as_one_are_the_plain_ones(
        batch in 1usize..=5,
        channels in 1usize..=40,
        size in [1usize..=19, 1usize..=70],
        dense in prop::option::of([1usize..=40, 1usize..=4, 1usize..=3, 0usize..=2]),
        pairs in prop::collection::vec(([[1usize..=4, 1usize..=4], [1usize..=3, 1usize..=3], [0usize..=3, 0usize..=3]], 1usize..=70), 1..=3),
        relu in any::<bool>(),
        threads in 1usize..=3,
        seed in 0u64..1 << 32,
    ) {
        let layers = holds_value(separable_layers(channels, dense, &pairs, relu, seed))?;
        prop_assert_eq!(SeparableConvs::count(&layers), layers.len());
        let Ok(prepared) = SeparableConvs::new(&layers, [channels, size[0], size[1]]) else {
            // A map became smaller than the kernel.
            let xs = holds_value(Tensor::zeros((1, channels, size[0], size[1]), DType::F64, &Device::Cpu))?;
            prop_assert!(in_turn(&xs, &layers).is_err());
            return Ok(());
        };
        let xs = holds_value(distinct(&[batch, channels, size[0], size[1]], seed).and_then(|xs| (xs * 0.05)?.to_dtype(DType::F32)))?;
        let expected = holds_value(in_turn(&xs, &layers))?;
        let x: Vec<f32> = holds_value(xs.flatten_all().and_then(|xs| xs.to_vec1()))?;
        let run = |x: &[f32], threads| {
            let mut y = vec![f32::NAN; x.len() / prepared.sizes()[0] * prepared.sizes()[1]];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| prepared.run(x, &mut y)).map(|()| y)
        };
        let y = holds_value(run(&x, threads))?;
        let result = holds_value(Tensor::from_slice(&y, expected.dims(), &Device::Cpu))?;
        holds(close("result", &result, &expected, 2e-6))?;
        let mut alone = Vec::new();
        for x in x.chunks_exact(prepared.sizes()[0]) {
            alone.extend(holds_value(run(x, threads % 3 + 1))?);
        }
        prop_assert_eq!(bits(&alone), bits(&y), "an image alone, on other threads, has other results");
    }
}

#[test]
fn separable_convolutions_are_one_operator_as_far_as_they_reach() -> Result<()> {
    let layers = separable_layers(3, Some([8, 3, 2, 1]), &[([[3; 2], [1; 2], [1; 2]], 5); 2], true, 1)?;
    assert_eq!([0, 1, 2, 3, 4, 5].map(|len| SeparableConvs::count(&layers[..len])), [0, 0, 0, 3, 3, 5]);
    assert_eq!([1, 2, 3, 4, 5].map(|first| SeparableConvs::count(&layers[first..])), [4, 3, 2, 0, 0]);
    let dense = separable_layers(5, Some([8, 1, 1, 0]), &[], true, 1)?;
    let longer = [&layers[1..], &dense, &layers[1..]].concat();
    assert_eq!(SeparableConvs::count(&longer), 4, "a dense convolution ends it");
    let error = SeparableConvs::new(&longer, [8, 6, 6]).err().expect("too many layers").to_string();
    assert!(error.contains("possible: pairs"), "{error}");
    assert!(SeparableConvs::new(&[], [8, 6, 6]).is_err());
    assert!(SeparableConvs::new(&layers, [4, 6, 6]).is_err());
    let huge = Window::conv(3).padding(1 << 40);
    let first = ConvLayer::new(layers[1].weight.clone(), None, huge, true, true);
    assert!(SeparableConvs::new(&[first, layers[2].clone()], [8, 6, 6]).is_err());
    let far = Window::conv(3).padding(1).stride(usize::MAX);
    let first = ConvLayer::new(layers[1].weight.clone(), None, far, true, true);
    assert_eq!(SeparableConvs::new(&[first, layers[2].clone()], [8, 6, 6])?.sizes(), [8 * 36, 5]);
    Ok(())
}

#[test]
fn a_chain_refuses_operators_whose_sizes_do_not_fit() -> Result<()> {
    assert!(Chain::new(Vec::new()).is_err());
    assert!(Chain::new(vec![Box::new(Relu(3)), Box::new(Relu(4))]).is_err());
    // The identity is left out, but its size counts.
    assert!(Chain::new(vec![Box::new(Relu(3)), Box::new(Identity(4)), Box::new(Relu(3))]).is_err());
    let chain = Chain::new(vec![Box::new(Relu(3)), Box::new(Identity(3))])?;
    assert_eq!(chain.sizes(), [3, 3]);
    assert!(chain.run(&[1.; 4], &mut [0.; 4]).is_err());
    assert!(chain.run(&[1.; 6], &mut [0.; 3]).is_err());
    assert!(add_relu(&[1.; 2], &mut [0.; 3]).is_err());
    Ok(())
}

/// Fails unless a chain of operators has the bits that they compute one after the other.
fn chained_as_alone(what: &str, parts: impl Fn() -> Result<Vec<Box<dyn Prepared>>>) -> Result<()> {
    let (chain, alone) = (Chain::new(parts()?)?, parts()?);
    for batch in [1, 3, 9] {
        let [inputs, outputs] = chain.sizes();
        let mut x: Vec<f32> =
            (distinct(&[batch, inputs], 9)? * 1e-3)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        for value in [1., f32::NAN] {
            x[inputs / 2] *= value;
            let mut y = vec![f32::NAN; batch * outputs];
            chain.run(&x, &mut y)?;
            let mut expected = x.clone();
            for part in &alone {
                let mut result = vec![f32::NAN; batch * part.sizes()[1]];
                part.run(&expected, &mut result)?;
                expected = result;
            }
            assert!(bits(&y) == bits(&expected), "{what}, a batch of {batch}, {value}");
        }
    }
    Ok(())
}

/// Returns no operator, or a global pooling of inputs (C, H, W): of the average, or of the maximum.
fn global_pool(number: usize, input: [usize; 3]) -> Result<Option<Box<dyn Prepared>>> {
    Ok(match number {
        0 => None,
        1 => Some(Box::new(Pool::global_avg(input)?)),
        _ => Some(Box::new(Pool::global_max(input)?)),
    })
}

/// Between its operators a chain keeps feature maps channels last; what it computes has the bits of its parts.
#[test]
fn a_chain_of_convolutions_has_the_bits_of_its_parts() -> Result<()> {
    for (channels, size) in [([1, 5, 20, 7], [20, 18]), ([3, 32, 32, 16], [20, 18]), ([8, 6, 1, 9], [4, 10])] {
        for (pool, depth) in [(0, 3), (1, 3), (2, 3), (1, 2), (2, 2)] {
            chained_as_alone(&format!("{depth} of {channels:?}, pooling {pool}"), || {
                let mut parts: Vec<Box<dyn Prepared>> = Vec::new();
                let mut input = [channels[0], size[0], size[1]];
                let layers = [(3, Epilogue::ReluMaxPool), (3, Epilogue::Relu), (1, Epilogue::None)];
                for (seed, (&outputs, (kernel, epilogue))) in (0..).zip(channels[1..].iter().zip(layers)).take(depth) {
                    let weight =
                        (distinct(&[outputs, input[0], kernel, kernel], seed)? * 1e-3)?.to_dtype(DType::F32)?;
                    let window = Window::conv(kernel).padding(kernel / 2);
                    parts.push(Box::new(Conv2d::new(&weight, None, &window, epilogue, input)?));
                    let [_, height, width] = input;
                    let pooled = if epilogue == Epilogue::ReluMaxPool { 2 } else { 1 };
                    input = [outputs, height / pooled, width / pooled];
                }
                parts.extend(global_pool(pool, input)?);
                Ok(parts)
            })?;
        }
    }
    Ok(())
}

#[test]
fn no_images_are_pooled_to_nothing_in_either_order() -> Result<()> {
    for channels_last in [false, true] {
        let mut pool = Pool::global_avg([5, 2, 3])?;
        pool.set_channels_last([channels_last, false]);
        pool.run(&[], &mut [])?;
    }
    Ok(())
}

#[test]
fn separable_convolutions_before_a_global_pooling_have_the_bits_of_both() -> Result<()> {
    for (outputs, size) in [(5, [12, 11]), (16, [3, 5]), (40, [9, 9])] {
        for pool in 1..3 {
            chained_as_alone(&format!("{outputs} channels of {size:?}, pooling {pool}"), || {
                let layers = separable_layers(3, Some([8, 3, 1, 1]), &[([[3; 2], [1; 2], [1; 2]], outputs)], true, 1)?;
                let convs = SeparableConvs::new(&layers, [3, size[0], size[1]])?;
                let mut parts: Vec<Box<dyn Prepared>> = vec![Box::new(convs)];
                parts.extend(global_pool(pool, [outputs, size[0], size[1]])?);
                Ok(parts)
            })?;
        }
    }
    Ok(())
}
