//! Compares every operator on f16 and bf16 tensors with the same operator on f32 tensors.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{attend, attention_shapes, close, evaluate, integers, values};
use ops::{BatchStatistics, Conv1dConfig, Conv2dConfig, ConvBatchNorm, Window};

/// Fails unless results and gradients in both half types are those in f32, up to rounding. The inputs are whole
/// numbers, which all types hold exactly.
fn same(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let run = |dtype: DType| {
        let inputs = inputs.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        evaluate(&inputs, |y| integers(y.dims(), 99)?.to_dtype(dtype), &f)
    };
    let (expected, expected_gradients) = run(DType::F32)?;
    for (dtype, tolerance) in [(DType::F16, 2e-3), (DType::BF16, 1.6e-2)] {
        let (y, gradients) = run(dtype)?;
        assert_eq!(y.dtype(), dtype, "{name}");
        close(&format!("{name} in {dtype:?}"), &y, &expected, tolerance)?;
        for (i, (gradient, expected)) in gradients.iter().zip(&expected_gradients).enumerate() {
            assert_eq!(gradient.dtype(), dtype, "{name}");
            close(&format!("gradient {i} of {name} in {dtype:?}"), gradient, expected, tolerance)?;
        }
    }
    Ok(())
}

fn inputs<const N: usize>(shapes: [&[usize]; N]) -> Result<Vec<Tensor>> {
    shapes.iter().zip(1..).map(|(shape, seed)| integers(shape, seed)).collect()
}

#[test]
fn products_of_half_types_are_those_of_f32() -> Result<()> {
    let t = inputs([&[5, 7], &[4, 7], &[4]])?;
    same("linear", &t, |t| ops::linear(&t[0], &t[1], Some(&t[2])))?;
    same("linear_relu", &t[..2], |t| ops::linear_relu(&t[0], &t[1], None))?;

    let config = Conv2dConfig::default().padding(1);
    let t = inputs([&[2, 4, 7, 6], &[6, 4, 3, 3], &[6]])?;
    same("conv2d", &t, |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), &config.stride(2)))?;
    same("dilated conv2d", &t, |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), &config.dilation(2)))?;
    same("conv2d_relu", &t[..2], |t| ops::conv2d_relu(&t[0], &t[1], None, &config))?;
    same("conv2d_relu_max_pool", &t, |t| ops::conv2d_relu_max_pool(&t[0], &t[1], Some(&t[2]), &config))?;
    let t = inputs([&[2, 4, 7, 6], &[6, 2, 3, 3], &[6]])?;
    same("grouped conv2d", &t, |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), &config.groups(2)))?;
    let t = inputs([&[2, 4, 7], &[6, 4, 3], &[6]])?;
    same("conv1d", &t, |t| ops::conv1d(&t[0], &t[1], Some(&t[2]), &Conv1dConfig::default()))?;

    let t = inputs([&[2, 4, 7, 6], &[4, 1, 3, 3], &[4]])?;
    let window = Window::conv(3).padding(1);
    same("depthwise_conv2d", &t, |t| ops::depthwise_conv2d(&t[0], &t[1], Some(&t[2]), &window))?;
    same("depthwise_conv2d_relu", &t[..2], |t| ops::depthwise_conv2d_relu(&t[0], &t[1], None, &window))
}

#[test]
fn pooling_of_half_types_is_that_of_f32() -> Result<()> {
    let x = inputs([&[2, 3, 7, 9]])?;
    let window = Window::pool(3).stride(2).padding(1);
    same("max_pool2d", &x, |t| ops::max_pool2d(&t[0], &window))?;
    same("avg_pool2d", &x, |t| ops::avg_pool2d(&t[0], &window))?;
    same("adaptive_max_pool2d", &x, |t| ops::adaptive_max_pool2d(&t[0], [2, 4]))?;
    same("adaptive_avg_pool2d", &x, |t| ops::adaptive_avg_pool2d(&t[0], [2, 4]))?;
    same("global_avg_pool", &x, |t| ops::global_avg_pool(&t[0]))?;
    same("global_max_pool", &x, |t| ops::global_max_pool(&t[0]))?;
    same("global_avg_max_pool", &x, |t| ops::global_avg_max_pool(&t[0]))?;
    same("spatial_pyramid_pool", &x, |t| ops::spatial_pyramid_pool(&t[0], &[1, 2, 4]))?;
    let shapes = attention_shapes(&[2, 3, 7, 9], 5);
    let attended = inputs(shapes.each_ref().map(|shape| &shape[..]))?;
    same("gated_attention_pool", &attended.iter().map(|t| t * 0.25).collect::<Result<Vec<_>>>()?, attend)?;
    let x = inputs([&[2, 3, 9]])?;
    same("max_pool1d", &x, |t| ops::max_pool1d(&t[0], 3, 2, 1))?;
    same("avg_pool1d", &x, |t| ops::avg_pool1d(&t[0], 3, 2, 1))?;
    let [x, two] = [x[0].abs()?, Tensor::new(&[2f32], &Device::Cpu)?];
    same("gem_pool", &[(&x + 1.)?, two.clone()], |t| ops::gem_pool(&t[0], &t[1]))?;
    same("lse_pool", &[x, two], |t| ops::lse_pool(&t[0], &t[1]))
}

#[test]
fn normalisation_activations_and_losses_of_half_types_are_those_of_f32() -> Result<()> {
    let t = inputs([&[6, 3, 4, 5], &[3], &[3]])?;
    same("batch_norm_train", &t, |t| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, true)?.0))?;
    same("batch_norm", &t, |t| {
        let statistics = BatchStatistics { mean: t[1].detach(), var: (t[2].detach().sqr()? + 1.)? };
        ops::batch_norm(&t[0], &t[1], &t[2], &statistics, 1e-5, false)
    })?;
    let (_, statistics) = ops::batch_norm_train(
        &t[0].to_dtype(DType::BF16)?,
        &t[1].to_dtype(DType::BF16)?,
        &t[2].to_dtype(DType::BF16)?,
        1e-5,
        false,
    )?;
    let (_, expected) = ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, false)?;
    close("mean", &statistics.mean, &expected.mean, 1e-2)?;
    close("variance", &statistics.var, &expected.var, 1e-2)?;

    let t = inputs([&[6, 3, 4, 5], &[4, 3, 3, 3], &[4], &[4]])?;
    same("conv_batch_norm_train", &t, |t| {
        let layer = ConvBatchNorm::new(&t[1], Window::conv(3).padding(1), &t[2], &t[3]);
        Ok(ops::conv_batch_norm_train(&t[0], &[layer])?.0)
    })?;

    let x = inputs([&[6, 5], &[6, 5]])?;
    same("relu", &x[..1], |t| ops::relu(&t[0]))?;
    same("elu", &x[..1], |t| ops::elu(&t[0], 0.5))?;
    same("add_relu", &x, |t| ops::add_relu(&t[0], &t[1]))?;
    same("softmax", &x[..1], |t| ops::softmax(&t[0]))?;
    let targets = Tensor::new(&[0u32, 4, 2, 2, 1, 3], &Device::Cpu)?;
    same("cross_entropy", &x[..1], |t| ops::cross_entropy(&t[0], &targets))?;
    same("cross_entropy_smoothed", &x[..1], |t| ops::cross_entropy_smoothed(&t[0], &targets, 0.25))?;
    let soft = x[1].ge(0f32)?;
    same("bce_with_logits", &x[..1], |t| ops::bce_with_logits(&t[0], &soft.to_dtype(t[0].dtype())?))
}

#[test]
fn sums_over_many_half_values_do_not_stall() -> Result<()> {
    for (dtype, value) in [(DType::BF16, 1.), (DType::F16, 2.)] {
        let x = (Tensor::ones((1, 1, 256, 256), dtype, &Device::Cpu)? * value)?;
        assert_eq!(values(&ops::global_avg_pool(&x)?)?, [value]);
        assert_eq!(values(&ops::adaptive_avg_pool2d(&x, [1, 1])?)?, [value]);
        assert_eq!(values(&ops::avg_pool2d(&x, &Window::pool(256))?)?, [value]);
        let row = x.flatten_all()?.unsqueeze(0)?;
        let ones = Tensor::ones((1, 65_536), dtype, &Device::Cpu)?;
        assert_eq!(values(&ops::linear(&row, &(ones / 65_536.)?, None)?)?, [value]);
        assert_eq!(values(&ops::softmax(&row)?)?[0], 1. / 65_536.);
    }
    Ok(())
}
