//! Arguments that do not fit give an error and never a panic, for the kernels (f32) and the compositions (f64) alike.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{attend, attention_shapes, evaluate};
use ops::{BatchStatistics, Conv1dConfig, Conv2dConfig, Window};

const DTYPES: [DType; 2] = [DType::F32, DType::F64];

fn zeros<const R: usize>(shape: [usize; R], dtype: DType) -> Tensor {
    Tensor::zeros(&shape[..], dtype, &Device::Cpu).unwrap()
}

fn must_fail(what: &str, dtype: DType, result: Result<Tensor>) {
    if let Ok(y) = result {
        panic!("{what} in {dtype:?}: gave {y:?}");
    }
}

#[test]
fn convolutions_refuse_what_does_not_fit() {
    for dtype in DTYPES {
        let fails = |what: &str, x: Tensor, weight: Tensor, bias: Option<Tensor>, config: Conv2dConfig| {
            must_fail(what, dtype, ops::conv2d(&x, &weight, bias.as_ref(), &config));
            must_fail(what, dtype, ops::conv2d_relu(&x, &weight, bias.as_ref(), &config));
            must_fail(what, dtype, ops::conv2d_relu_max_pool(&x, &weight, bias.as_ref(), &config));
        };
        let (x, weight) = (|| zeros([2, 3, 5, 5], dtype), || zeros([4, 3, 3, 3], dtype));
        let config = Conv2dConfig::default();
        fails("an input smaller than the kernel", zeros([2, 3, 2, 5], dtype), weight(), None, config);
        fails("other channels", zeros([2, 2, 5, 5], dtype), weight(), None, config);
        fails("a bias of another length", x(), weight(), Some(zeros([3], dtype)), config);
        fails("a longer bias in groups", x(), zeros([6, 1, 3, 3], dtype), Some(zeros([7], dtype)), config.groups(3));
        fails("a bias of another rank", x(), weight(), Some(zeros([4, 1], dtype)), config);
        fails("an image without a batch", zeros([3, 5, 5], dtype), weight(), None, config);
        fails("weights of rank 1", x(), zeros([4], dtype), None, config);
        fails("a stride of zero", x(), weight(), None, config.stride(0));
        fails("a dilation of zero", x(), weight(), None, config.dilation(0));
        fails("a dilated kernel larger than the input", x(), weight(), None, config.dilation(3));
        fails("no groups", x(), weight(), None, config.groups(0));
        fails("groups that do not divide the outputs", x(), zeros([4, 1, 3, 3], dtype), None, config.groups(3));
        fails("groups that do not divide the inputs", x(), zeros([4, 1, 3, 3], dtype), None, config.groups(2));
        fails("weights of all channels in groups", x(), zeros([3, 3, 3, 3], dtype), None, config.groups(3));
        fails("a kernel of zero", x(), zeros([4, 3, 0, 0], dtype), None, config);
        fails("no input channels", zeros([2, 0, 5, 5], dtype), zeros([4, 0, 3, 3], dtype), None, config);
        fails("no output channels", x(), zeros([0, 3, 3, 3], dtype), None, config);
        fails("an image without rows", zeros([2, 3, 0, 5], dtype), weight(), None, config.padding(2));
        let other = if dtype == DType::F32 { DType::F64 } else { DType::F32 };
        fails("weights of another type", x(), zeros([4, 3, 3, 3], other), None, config);

        let narrow = ops::conv2d_relu_max_pool(&zeros([2, 3, 5, 3], dtype), &weight(), None, &config);
        must_fail("a single column to pool over", dtype, narrow);

        let window = Window::conv(3);
        let normalised = |gamma: &Tensor, window: &Window| {
            let weight = weight();
            let layer = ops::ConvBatchNorm::new(&weight, *window, gamma, gamma).epilogue(ops::Epilogue::Relu);
            let xs = zeros([1, 3, 3, 3], dtype);
            let block = ops::residual_conv_batch_norm_train(&xs, &[layer], None).map(|(ys, _)| ys);
            must_fail("a shortcut of another shape", dtype, block);
            ops::conv_batch_norm_train(&xs, &[layer]).map(|(ys, _)| ys)
        };
        must_fail("a single value to normalise", dtype, normalised(&zeros([4], dtype), &window));
        must_fail("a normalisation of other channels", dtype, normalised(&zeros([3], dtype), &window.padding(1)));
        must_fail("a kernel other than the window's", dtype, normalised(&zeros([4], dtype), &Window::conv(2)));
        let prepared = ops::prepared::Conv2d::new(&weight(), None, &Window::conv(2), ops::Epilogue::None, [3, 5, 5]);
        assert!(prepared.is_err(), "a kernel other than the window's");

        let depthwise = |weight: Tensor, bias: Option<Tensor>| {
            ops::depthwise_conv2d(&x(), &weight, bias.as_ref(), &window.padding(1))
        };
        must_fail("weights of another number of channels", dtype, depthwise(zeros([4, 1, 3, 3], dtype), None));
        must_fail("weights that are not depthwise", dtype, depthwise(zeros([3, 3, 3, 3], dtype), None));
        let bias = Some(zeros([4], dtype));
        must_fail("a bias of another length", dtype, depthwise(zeros([3, 1, 3, 3], dtype), bias));

        let x = zeros([2, 3, 5], dtype);
        let conv1d = |weight: &Tensor, config: Conv1dConfig| ops::conv1d(&x, weight, None, &config);
        let config = Conv1dConfig::default();
        must_fail("a kernel longer than the input", dtype, conv1d(&zeros([4, 3, 6], dtype), config));
        must_fail("a stride of zero", dtype, conv1d(&zeros([4, 3, 3], dtype), config.stride(0)));
        must_fail("2-d weights for 1-d", dtype, conv1d(&weight(), config));
        must_fail("weights of rank 2", dtype, conv1d(&zeros([4, 3], dtype), config));
    }
}

#[test]
fn pooling_refuses_what_does_not_fit() {
    for dtype in DTYPES {
        let fails = |what: &str, x: Tensor, window: Window| {
            must_fail(what, dtype, ops::max_pool2d(&x, &window));
            must_fail(what, dtype, ops::avg_pool2d(&x, &window));
        };
        let x = || zeros([2, 3, 5, 5], dtype);
        fails("an input smaller than the kernel", x(), Window::pool(6));
        fails("a padding of more than half the kernel", x(), Window::pool(3).padding(2));
        fails("a padding without a kernel", x(), Window::pool(1).padding(1));
        fails("a stride of zero", x(), Window::pool(2).stride(0));
        fails("a kernel of zero", x(), Window::pool(0).stride(1));
        fails("an image without a batch", zeros([3, 5, 5], dtype), Window::pool(2));
        fails("an image without rows", zeros([2, 3, 0, 5], dtype), Window::pool(2).padding(1));

        let row = zeros([2, 3, 5], dtype);
        must_fail("1-d, too small", dtype, ops::max_pool1d(&row, 6, 1, 0));
        must_fail("1-d, too much padding", dtype, ops::avg_pool1d(&row, 3, 1, 2));
        must_fail("1-d, an image", dtype, ops::max_pool1d(&x(), 2, 2, 0));
        for adaptive in [ops::adaptive_max_pool2d, ops::adaptive_avg_pool2d] {
            must_fail("adaptive to nothing", dtype, adaptive(&x(), [0, 2]));
            must_fail("adaptive from nothing", dtype, adaptive(&zeros([2, 3, 0, 5], dtype), [1, 1]));
        }

        for (what, levels) in [("no levels", &[][..]), ("an empty level", &[1, 0])] {
            must_fail(what, dtype, ops::spatial_pyramid_pool(&x(), levels));
        }
        must_fail("a pyramid of nothing", dtype, ops::spatial_pyramid_pool(&zeros([2, 3, 0, 5], dtype), &[1]));
        must_fail("a pyramid of a sequence", dtype, ops::spatial_pyramid_pool(&row, &[1]));

        let tensors =
            attention_shapes(&[2, 3, 5, 5], 4).map(|shape| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap());
        assert!(attend(&tensors).is_ok());
        for i in 0..tensors.len() {
            for shape in [&[][..], &[5, 3], &[4, 2], &[2, 3], &[0], &[2, 3, 0]] {
                let mut tensors = tensors.clone();
                tensors[i] = Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
                must_fail(&format!("argument {i} of attention of shape {shape:?}"), dtype, attend(&tensors));
            }
        }

        let one = zeros([1], dtype);
        for (what, x) in [("no spatial axes", zeros([2, 3], dtype)), ("empty ones", zeros([2, 3, 0], dtype))] {
            must_fail(what, dtype, ops::global_avg_pool(&x));
            must_fail(what, dtype, ops::global_max_pool(&x));
            must_fail(what, dtype, ops::global_avg_max_pool(&x));
            must_fail(what, dtype, ops::gem_pool(&x, &one));
            must_fail(what, dtype, ops::lse_pool(&x, &one));
        }
    }
}

#[test]
fn batch_normalisation_refuses_what_does_not_fit() {
    for dtype in DTYPES {
        let statistics = |c: usize| BatchStatistics { mean: zeros([c], dtype), var: zeros([c], dtype) };
        let (x, three, four) = (zeros([2, 3, 5], dtype), zeros([3], dtype), zeros([4], dtype));
        let train = |x: &Tensor, gamma: &Tensor, beta: &Tensor| {
            ops::batch_norm_train(x, gamma, beta, 1e-5, false).map(|(y, _)| y)
        };
        must_fail("gamma of another length", dtype, train(&x, &four, &three));
        must_fail("beta of another length", dtype, train(&x, &three, &four));
        must_fail("no channel axis", dtype, train(&three, &three, &three));
        must_fail("a single value per channel", dtype, train(&zeros([1, 3, 1], dtype), &three, &three));
        must_fail("no values", dtype, train(&zeros([2, 3, 0], dtype), &three, &three));
        let eval = |x: &Tensor, c: usize| ops::batch_norm(x, &three, &three, &statistics(c), 1e-5, false);
        must_fail("too few statistics", dtype, eval(&x, 2));
        must_fail("too many statistics", dtype, eval(&x, 4));
        must_fail("no positions", dtype, eval(&zeros([2, 3, 0], dtype), 3));
    }
}

#[test]
fn linear_and_the_losses_refuse_what_does_not_fit() -> Result<()> {
    for dtype in DTYPES {
        let (x, weight) = (zeros([2, 5], dtype), zeros([4, 5], dtype));
        must_fail("other inputs", dtype, ops::linear(&zeros([2, 6], dtype), &weight, None));
        must_fail("a scalar", dtype, ops::linear(&zeros([], dtype), &weight, None));
        must_fail("a bias of another length", dtype, ops::linear_relu(&x, &weight, Some(&zeros([5], dtype))));
        must_fail("weights of rank 3", dtype, ops::linear(&x, &zeros([4, 5, 1], dtype), None));
        must_fail("no inputs", dtype, ops::linear(&zeros([2, 0], dtype), &zeros([4, 0], dtype), None));
        must_fail("no outputs", dtype, ops::linear(&x, &zeros([0, 5], dtype), None));

        let targets = |t: &[u32]| Tensor::new(t, &Device::Cpu);
        let loss = |t: Tensor| ops::cross_entropy(&x, &t);
        assert!(loss(targets(&[0, 4])?).is_ok());
        must_fail("a target that is no class", dtype, loss(targets(&[0, 5])?));
        // Candle's gather treats this index as "no index" and continues.
        must_fail("the largest target there is", dtype, loss(targets(&[0, u32::MAX])?));
        must_fail("a negative target", dtype, loss(Tensor::new(&[0i64, -100], &Device::Cpu)?));
        must_fail("an i64 target that is no class", dtype, loss(Tensor::new(&[0i64, 5], &Device::Cpu)?));
        let smoothed = |smoothing| ops::cross_entropy_smoothed(&x, &targets(&[0, 4])?, smoothing);
        assert!(smoothed(1.).is_ok());
        must_fail("a negative smoothing", dtype, smoothed(-0.1));
        must_fail("a smoothing of more than 1", dtype, smoothed(1.1));
        must_fail("a smoothing that is no number", dtype, smoothed(f64::NAN));
        must_fail("too few targets", dtype, loss(targets(&[0])?));
        must_fail("targets as a column", dtype, loss(targets(&[0, 1])?.unsqueeze(1)?));
        must_fail("targets of another type", dtype, loss(zeros([2], dtype)));
        must_fail("logits of rank 3", dtype, ops::cross_entropy(&zeros([2, 5, 1], dtype), &targets(&[0, 1])?));
        must_fail("no classes", dtype, ops::cross_entropy(&zeros([2, 0], dtype), &targets(&[0, 1])?));
        must_fail("no rows", dtype, ops::cross_entropy(&zeros([0, 5], dtype), &targets(&[])?));
        must_fail("soft targets of another shape", dtype, ops::bce_with_logits(&x, &weight));
    }
    Ok(())
}

#[test]
fn cross_entropy_takes_targets_that_are_a_column_of_a_table() -> Result<()> {
    let table = Tensor::new(&[[0u32, 9], [2, 9], [1, 9]], &Device::Cpu)?;
    let logits = Tensor::arange(0f32, 9., &Device::Cpu)?.reshape((3, 3))?;
    let strided = ops::cross_entropy(&logits, &table.get_on_dim(1, 0)?)?;
    let plain = ops::cross_entropy(&logits, &Tensor::new(&[0u32, 2, 1], &Device::Cpu)?)?;
    assert_eq!(strided.to_scalar::<f32>()?, plain.to_scalar::<f32>()?);
    Ok(())
}

/// Fails unless the result is empty and all gradients are 0, those of the weights included.
fn is_empty(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let (y, gradients) = evaluate(inputs, |y| y.ones_like(), f)?;
    assert_eq!(y.dim(0)?, 0);
    for (input, gradient) in inputs.iter().zip(&gradients) {
        common::close("gradient", gradient, &input.zeros_like()?, 0.)?;
    }
    Ok(())
}

#[test]
fn an_empty_batch_gives_an_empty_result() -> Result<()> {
    let image = [zeros([0, 3, 5, 5], DType::F32)];
    let (window, config) = (Window::conv(3), Conv2dConfig::default());
    is_empty(&image, |t| ops::max_pool2d(&t[0], &Window::pool(2)))?;
    is_empty(&image, |t| ops::avg_pool2d(&t[0], &window))?;
    is_empty(&image, |t| ops::adaptive_max_pool2d(&t[0], [2, 2]))?;
    is_empty(&image, |t| ops::adaptive_avg_pool2d(&t[0], [2, 2]))?;
    is_empty(&image, |t| ops::relu(&t[0]))?;
    let [image] = image;
    let weight = zeros([4, 3, 3, 3], DType::F32);
    is_empty(&[image.clone(), weight.clone()], |t| ops::conv2d_relu(&t[0], &t[1], None, &config))?;
    is_empty(&[image.clone(), weight.clone()], |t| ops::conv2d_relu(&t[0], &t[1], None, &config.dilation(2)))?;
    is_empty(&[image.clone(), weight], |t| ops::conv2d_relu_max_pool(&t[0], &t[1], None, &config.padding(1)))?;
    let weight = zeros([3, 1, 3, 3], DType::F32);
    is_empty(&[image.clone(), weight], |t| ops::depthwise_conv2d(&t[0], &t[1], None, &window))?;
    let [rows, weight] = [zeros([0, 5], DType::F32), zeros([4, 5], DType::F32)];
    is_empty(&[rows, weight], |t| ops::linear(&t[0], &t[1], None))?;
    let three = zeros([3], DType::F32);
    let statistics = BatchStatistics { mean: three.clone(), var: three.clone() };
    is_empty(&[image, three.clone(), three], |t| ops::batch_norm(&t[0], &t[1], &t[2], &statistics, 1e-5, true))
}

#[test]
fn an_image_without_channels_is_normalised_to_one_without_channels() -> Result<()> {
    let inputs = [zeros([2, 0, 5], DType::F32), zeros([0], DType::F32), zeros([0], DType::F32)];
    let train = |t: &[Tensor]| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, true)?.0);
    let (y, gradients) = evaluate(&inputs, |y| y.ones_like(), train)?;
    assert_eq!(y.dims(), [2, 0, 5]);
    assert_eq!(gradients.iter().map(Tensor::dims).collect::<Vec<_>>(), [&[2, 0, 5][..], &[0], &[0]]);
    Ok(())
}
