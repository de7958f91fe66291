//! The kernels give the same bits on any number of threads, tested on sizes that are large enough to use several.

mod common;

use candle_core::{DType, Result, Tensor};
use common::{attend, attention_shapes, distinct, evaluate};
use ops::prepared::{Chain, Conv2d, Linear, Pool, Prepared};
use ops::{BatchStatistics, Conv1dConfig, Conv2dConfig, ConvBatchNorm, Epilogue, Window};

/// Returns the bits of the result and the gradients of `f`, computed on the given number of threads.
fn bits(threads: usize, inputs: &[Tensor], f: &(dyn Fn(&[Tensor]) -> Result<Tensor> + Sync)) -> Result<Vec<Vec<u32>>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(candle_core::Error::wrap)?;
    pool.install(|| {
        let (y, gradients) = evaluate(inputs, |y| noise(y.dims(), 7), f)?;
        let bits_of = |t: &Tensor| Ok(t.flatten_all()?.to_vec1::<f32>()?.iter().map(|v| v.to_bits()).collect());
        std::iter::once(&y).chain(&gradients).map(bits_of).collect()
    })
}

/// Returns f32 values around 0 whose sums are rounded.
fn noise(shape: &[usize], seed: u64) -> Result<Tensor> {
    (distinct(shape, seed)? * (7. / shape.iter().product::<usize>() as f64))?.to_dtype(DType::F32)
}

/// Fails unless the result and the gradients of `f` have the same bits on 1, 2 and 5 threads.
fn same_on_any_number_of_threads(shapes: &[&[usize]], f: impl Fn(&[Tensor]) -> Result<Tensor> + Sync) -> Result<()> {
    let inputs = shapes.iter().zip(0..).map(|(shape, seed)| noise(shape, seed)).collect::<Result<Vec<_>>>()?;
    let one = bits(1, &inputs, &f)?;
    for threads in [2, 5] {
        // Not assert_eq: a difference would print a million numbers.
        assert!(bits(threads, &inputs, &f)? == one, "{threads} threads differ from one");
    }
    Ok(())
}

#[test]
fn convolutions_have_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let config = Conv2dConfig::default().padding(1);
    let shapes: [&[usize]; 3] = [&[19, 8, 20, 20], &[16, 8, 3, 3], &[16]];
    same_on_any_number_of_threads(&shapes, |t| ops::conv2d_relu(&t[0], &t[1], Some(&t[2]), &config))?;
    same_on_any_number_of_threads(&shapes, |t| ops::conv2d_relu_max_pool(&t[0], &t[1], Some(&t[2]), &config))?;
    same_on_any_number_of_threads(&shapes[..2], |t| ops::conv2d(&t[0], &t[1], None, &config.stride(2)))?;
    same_on_any_number_of_threads(&shapes[..2], |t| ops::conv2d(&t[0], &t[1], None, &config.dilation(2)))?;
    let shapes: [&[usize]; 2] = [&[19, 16, 20, 20], &[16, 16, 1, 1]];
    same_on_any_number_of_threads(&shapes, |t| ops::conv2d(&t[0], &t[1], None, &Conv2dConfig::default()))?;
    let shapes: [&[usize]; 2] = [&[19, 16, 20, 20], &[16, 8, 3, 3]];
    same_on_any_number_of_threads(&shapes, |t| ops::conv2d(&t[0], &t[1], None, &config.groups(2)))
}

#[test]
fn the_maximum_of_a_convolution_has_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let shapes: [&[usize]; 3] = [&[19, 20, 300], &[40, 20, 9], &[40]];
    let config = Conv1dConfig::default().padding(4);
    same_on_any_number_of_threads(&shapes, |t| ops::conv1d_max(&t[0], &t[1], Some(&t[2]), &config))
}

#[test]
fn a_normalised_convolution_has_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let window = Window::conv(3).padding(1);
    let shapes: [&[usize]; 4] = [&[19, 8, 20, 20], &[16, 8, 3, 3], &[16], &[16]];
    for epilogue in [Epilogue::None, Epilogue::Relu, Epilogue::ReluMaxPool] {
        same_on_any_number_of_threads(&shapes, |t| {
            let layer = ConvBatchNorm::new(&t[1], window, &t[2], &t[3]).epilogue(epilogue);
            Ok(ops::conv_batch_norm_train(&t[0], &[layer])?.0)
        })?;
    }
    Ok(())
}

#[test]
fn depthwise_convolutions_have_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let shapes: [&[usize]; 3] = [&[19, 24, 20, 20], &[24, 1, 3, 3], &[24]];
    for stride in [1, 2] {
        let window = Window::conv(3).stride(stride).padding(1);
        same_on_any_number_of_threads(&shapes, |t| ops::depthwise_conv2d(&t[0], &t[1], Some(&t[2]), &window))?;
    }
    Ok(())
}

#[test]
fn linear_layers_have_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let shapes: [&[usize]; 3] = [&[70, 300], &[100, 300], &[100]];
    same_on_any_number_of_threads(&shapes, |t| ops::linear(&t[0], &t[1], Some(&t[2])))?;
    same_on_any_number_of_threads(&shapes, |t| ops::linear_relu(&t[0], &t[1], Some(&t[2])))
}

#[test]
fn pooling_and_activations_have_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let x: [&[usize]; 1] = [&[8, 33, 33, 33]];
    let overlapping = Window::pool(3).stride(2).padding(1);
    same_on_any_number_of_threads(&x, |t| ops::max_pool2d(&t[0], &Window::pool(2)))?;
    same_on_any_number_of_threads(&x, |t| ops::max_pool2d(&t[0], &overlapping))?;
    same_on_any_number_of_threads(&x, |t| ops::avg_pool2d(&t[0], &overlapping))?;
    same_on_any_number_of_threads(&x, |t| ops::adaptive_max_pool2d(&t[0], [4, 4]))?;
    same_on_any_number_of_threads(&x, |t| ops::adaptive_avg_pool2d(&t[0], [4, 4]))?;
    same_on_any_number_of_threads(&x, |t| ops::global_avg_pool(&t[0]))?;
    same_on_any_number_of_threads(&x, |t| ops::global_max_pool(&t[0]))?;
    same_on_any_number_of_threads(&x, |t| ops::global_avg_max_pool(&t[0]))?;
    same_on_any_number_of_threads(&x, |t| ops::spatial_pyramid_pool(&t[0], &[1, 2, 4]))?;
    same_on_any_number_of_threads(&x, |t| ops::relu(&t[0]))?;
    same_on_any_number_of_threads(&x, |t| ops::elu(&t[0], 0.5))
}

#[test]
fn poolings_with_parameters_have_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let shapes: [&[usize]; 2] = [&[19, 24, 9, 9], &[1]];
    let sharp = |pool: fn(&Tensor, &Tensor) -> Result<Tensor>| move |t: &[Tensor]| pool(&t[0], &(&t[1] + 10.)?);
    same_on_any_number_of_threads(&shapes, sharp(ops::gem_pool))?;
    same_on_any_number_of_threads(&shapes, sharp(ops::lse_pool))?;
    let shapes = attention_shapes(shapes[0], 32);
    same_on_any_number_of_threads(&shapes.each_ref().map(|shape| &shape[..]), attend)
}

#[test]
fn batch_normalisation_has_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let shapes: [&[usize]; 3] = [&[17, 24, 27, 27], &[24], &[24]];
    same_on_any_number_of_threads(&shapes, |t| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, true)?.0))?;
    let statistics = BatchStatistics { mean: noise(&[24], 3)?, var: noise(&[24], 4)?.sqr()? };
    same_on_any_number_of_threads(&shapes, |t| ops::batch_norm(&t[0], &t[1], &t[2], &statistics, 1e-5, true))
}

/// Covers batches that stay on one thread, batches that are divided, and convolutions that divide a single image.
#[test]
fn a_prepared_network_has_the_same_bits_on_any_number_of_threads_and_in_any_batch() -> Result<()> {
    let [first, second, classes] = [&[48, 24, 3, 3][..], &[64, 48, 3, 3], &[10, 64]].map(|shape| noise(shape, 3));
    let (first, second, classes) = ((first? * 100.)?, (second? * 100.)?, (classes? * 100.)?);
    let (window, bias) = (Window::conv(3).padding(1), noise(&[64], 5)?);
    let network = Chain::new(vec![
        Box::new(Conv2d::new(&first, None, &window, Epilogue::Relu, [24, 20, 20])?),
        Box::new(Conv2d::new(&second, Some(&bias), &window, Epilogue::ReluMaxPool, [48, 20, 20])?),
        Box::new(Pool::global_avg([64, 10, 10])?),
        Box::new(Linear::new(&classes, None, false)?),
    ])?;
    let images = noise(&[7, 24, 20, 20], 6)?.flatten_all()?.to_vec1::<f32>()?;
    let run = |threads: usize, batch: usize| -> Result<Vec<u32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(candle_core::Error::wrap)?;
        let [input, output] = network.sizes();
        let mut logits = vec![f32::NAN; 7 * output];
        pool.install(|| {
            let batches = images.chunks(batch * input).zip(logits.chunks_mut(batch * output));
            batches.into_iter().try_for_each(|(x, y)| network.run(x, y))
        })?;
        Ok(logits.iter().map(|v| v.to_bits()).collect())
    };
    let one = run(1, 1)?;
    for threads in [1, 2, 5] {
        for batch in [1, 2, 7] {
            assert!(run(threads, batch)? == one, "{threads} threads, batches of {batch}");
        }
    }
    Ok(())
}

#[test]
fn one_image_of_a_prepared_convolution_has_the_same_bits_on_any_number_of_threads() -> Result<()> {
    // Numbers of channels that are one, an odd and an even number of pairs of blocks; direct, 1×1 and Winograd's algorithms.
    for channels in [32, 64, 80, 96, 100] {
        for window in [Window::conv(3).padding(1).stride(2), Window::conv(1), Window::conv(3).padding(1)] {
            let [kh, kw] = window.kernel;
            let (input, weight) = ([64, 48, 48], noise(&[channels, 64, kh, kw], 1)?);
            let prepared = Conv2d::new(&weight, None, &window, Epilogue::Relu, input)?;
            let x: Vec<f32> = noise(&[64, 48, 48], 2)?.flatten_all()?.to_vec1()?;
            let run = |threads| -> Result<Vec<u32>> {
                let pool =
                    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(candle_core::Error::wrap)?;
                let mut y = vec![0f32; prepared.sizes()[1]];
                pool.install(|| prepared.run(&x, &mut y))?;
                Ok(y.iter().map(|value| value.to_bits()).collect())
            };
            assert!(run(1)? == run(2)?, "{channels} channels, {window:?}");
        }
    }
    Ok(())
}
