//! What happens at NaN, at parameters beyond their range, with frozen weights, and with statistics that change.

mod common;

use candle_core::{DType, Device, Result, Tensor, Var};
use common::{close, distinct, evaluate, gradient, integers, values};
use ops::{BatchStatistics, Conv2dConfig, ConvBatchNorm, Epilogue, Projection, Window};

fn vector(values: &[f32]) -> Result<Tensor> {
    Tensor::new(values, &Device::Cpu)
}

/// `torch.nn.functional.relu` and `elu` have the gradient 1 at NaN, because NaN is not ≤ 0.
#[test]
fn the_gradient_of_relu_passes_at_nan_as_in_pytorch() -> Result<()> {
    let identity = vector(&[1.])?.reshape((1, 1, 1, 1))?;
    for dtype in [DType::F32, DType::F64] {
        let x = vector(&[-1., 0., 1., f32::NAN])?.to_dtype(dtype)?;
        let identity = identity.to_dtype(dtype)?;
        let passes = |what: &str, f: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<()> {
            assert_eq!(values(&gradient(&x, f)?)?, [0., 0., 1., 1.], "{what} in {dtype:?}");
            Ok(())
        };
        passes("relu", &|x| ops::relu(x))?;
        passes("add_relu", &|x| ops::add_relu(x, &x.zeros_like()?.detach()))?;
        let image = |x: &Tensor| x.reshape((1, 1, 1, 4));
        passes("conv2d_relu", &|x| ops::conv2d_relu(&image(x)?, &identity, None, &Conv2dConfig::default()))?;
        passes("depthwise_conv2d_relu", &|x| {
            ops::depthwise_conv2d_relu(&image(x)?, &identity, None, &Window::conv(1))
        })?;
        passes("linear_relu", &|x| ops::linear_relu(&x.unsqueeze(1)?, &identity.reshape((1, 1))?, None))?;
        let elu = values(&gradient(&x, |x| ops::elu(x, 1.))?)?;
        assert_eq!(elu[1..], [1., 1., 1.], "elu in {dtype:?}");
        let square = x.reshape((1, 1, 2, 2))?;
        let pooled = gradient(&square, |x| ops::conv2d_relu_max_pool(x, &identity, None, &Conv2dConfig::default()))?;
        assert_eq!(values(&pooled)?, [0., 0., 0., 1.], "conv2d_relu_max_pool in {dtype:?}");
    }
    Ok(())
}

#[test]
fn the_gradient_of_a_normalised_relu_passes_at_nan() -> Result<()> {
    // A gamma of NaN makes all normalised values NaN, the gradient of beta is their number if all of them pass.
    for epilogue in [Epilogue::Relu, Epilogue::ReluMaxPool] {
        let x = distinct(&[1, 1, 2, 2], 1)?.to_dtype(DType::F32)?;
        let (weight, gamma) = (vector(&[1.])?.reshape((1, 1, 1, 1))?, vector(&[f32::NAN])?);
        let inputs = [x, weight, gamma, vector(&[0.])?];
        let (_, gradients) = evaluate(
            &inputs,
            |y| y.ones_like(),
            |t| {
                let layer = ConvBatchNorm::new(&t[1], Window::conv(1), &t[2], &t[3]).epilogue(epilogue);
                Ok(ops::conv_batch_norm_train(&t[0], &[layer])?.0)
            },
        )?;
        assert_eq!(values(&gradients[3])?, [if epilogue == Epilogue::Relu { 4. } else { 1. }], "{epilogue:?}");
    }
    Ok(())
}

#[test]
fn parameters_of_smooth_maxima_that_are_not_positive_count_as_a_small_one() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let x = vector(&[0.5, 1., 4.])?.reshape((1, 1, 3))?.to_dtype(dtype)?;
        let run = |pool: fn(&Tensor, &Tensor) -> Result<Tensor>, parameter: f64| {
            let parameter = Tensor::new(&[parameter], &Device::Cpu)?.to_dtype(dtype)?;
            let (y, gradients) = evaluate(&[x.clone(), parameter], |y| y.ones_like(), |t| pool(&t[0], &t[1]))?;
            Ok::<_, candle_core::Error>((values(&y)?[0], values(&gradients[0])?, values(&gradients[1])?[0]))
        };
        for (pool, limit) in
            [(ops::lse_pool as fn(&Tensor, &Tensor) -> Result<Tensor>, 5.5 / 3.), (ops::gem_pool, 2f64.cbrt())]
        {
            let smallest = run(pool, 1e-3)?;
            for parameter in [5e-4, 0., -1e-6, -3., -1e30] {
                let (y, dx, dp) = run(pool, parameter)?;
                assert!((y - limit).abs() < 5e-3, "{y} at {parameter} instead of about {limit}");
                let near = |a: f64, b: f64| (a - b).abs() < 1e-3;
                assert!(near(y, smallest.0) && dx.iter().zip(&smallest.1).all(|(a, b)| near(*a, *b)), "{parameter}");
                assert!(dp.is_finite() && dp > 0., "the parameter has the gradient {dp} at {parameter}");
            }
            assert!(run(pool, f64::NAN)?.0.is_nan());
            for shape in [&[][..], &[3], &[1, 1]] {
                let parameter = Tensor::ones(shape, dtype, &Device::Cpu)?;
                let error = pool(&x, &parameter).unwrap_err().to_string();
                assert!(error.contains("must be (1)"), "{error}");
            }
        }
    }
    Ok(())
}

/// Checks that a frozen weight has no gradient and that all other gradients are the same as if it had one. The inputs of
/// `f` that `frozen` lists are constants.
fn frozen_has_no_gradient(
    what: &str,
    shapes: &[&[usize]],
    frozen: &[usize],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    let inputs = shapes.iter().zip(1..).map(|(shape, seed)| distinct(shape, seed)?.to_dtype(DType::F32));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let (_, expected) = evaluate(&inputs, |y| integers(y.dims(), 9), &f)?;
    let arguments: Vec<Tensor> = inputs
        .iter()
        .enumerate()
        .map(|(i, t)| if frozen.contains(&i) { Ok(t.clone()) } else { Ok(Var::from_tensor(t)?.into_inner()) })
        .collect::<Result<_>>()?;
    let y = f(&arguments)?;
    let gradients = (&y * integers(y.dims(), 9)?)?.sum_all()?.backward()?;
    for (i, (argument, expected)) in arguments.iter().zip(&expected).enumerate() {
        match gradients.get(argument) {
            Some(_) if frozen.contains(&i) => panic!("{what}: the frozen input {i} has a gradient"),
            Some(gradient) => close(&format!("{what}: gradient {i} with {frozen:?} frozen"), gradient, expected, 0.)?,
            None => assert!(frozen.contains(&i), "{what}: input {i} has no gradient"),
        }
    }
    Ok(())
}

#[test]
fn frozen_weights_have_no_gradient_and_change_no_other() -> Result<()> {
    let sizes: [(&str, [&[usize]; 3]); 5] = [
        ("direct", [&[9, 3, 7, 8], &[5, 3, 3, 3], &[5]]),
        ("winograd", [&[9, 8, 7, 8], &[20, 8, 3, 3], &[20]]),
        ("1x1", [&[9, 6, 7, 8], &[20, 6, 1, 1], &[20]]),
        ("sparse", [&[9, 17, 7, 8], &[20, 17, 3, 3], &[20]]),
        ("depthwise", [&[9, 6, 7, 8], &[6, 1, 3, 3], &[6]]),
    ];
    let config = Conv2dConfig::default();
    for frozen in [&[1][..], &[2], &[1, 2], &[0, 1], &[0, 2]] {
        for (name, shapes) in &sizes {
            frozen_has_no_gradient(name, shapes, frozen, |t| match *name {
                "sparse" => ops::conv2d_relu_max_pool(&t[0], &t[1], Some(&t[2]), &config),
                "depthwise" => ops::depthwise_conv2d_relu(&t[0], &t[1], Some(&t[2]), &Window::conv(3).stride(2)),
                _ => ops::conv2d_relu(&t[0], &t[1], Some(&t[2]), &config),
            })?;
        }
        let linear = |t: &[Tensor]| ops::linear_relu(&t[0], &t[1], Some(&t[2]));
        frozen_has_no_gradient("linear", &[&[9, 6], &[5, 6], &[5]], frozen, linear)?;
        let norm = |t: &[Tensor]| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, true)?.0);
        frozen_has_no_gradient("batch_norm_train", &[&[9, 5, 4], &[5], &[5]], frozen, norm)?;
    }
    Ok(())
}

#[test]
fn frozen_weights_of_a_block_have_no_gradient() -> Result<()> {
    let shapes: [&[usize]; 8] = [&[9, 8, 7, 8], &[8, 8, 3, 3], &[8], &[8], &[8, 1, 3, 3], &[8], &[8], &[8, 8, 1, 1]];
    for frozen in [&[1][..], &[4], &[7], &[1, 4], &[1, 4, 7], &[0, 1, 4, 7]] {
        frozen_has_no_gradient("a residual block", &shapes, frozen, |t| {
            let window = Window::conv(3).padding(1);
            let first = ConvBatchNorm::new(&t[1], window, &t[2], &t[3]).epilogue(Epilogue::Relu);
            let second = ConvBatchNorm::new(&t[4], window, &t[5], &t[6]).depthwise(true);
            let projection = Projection::new(&t[7], None, Window::conv(1));
            Ok(ops::residual_conv_batch_norm_train(&t[0], &[first, second], Some(projection))?.0)
        })?;
    }
    Ok(())
}

#[test]
fn statistics_that_change_before_the_backward_pass_do_not_change_its_gradients() -> Result<()> {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let tensor = |shape: &[usize], seed| distinct(shape, seed)?.to_dtype(dtype);
        let [x, gamma, beta] = [tensor(&[3, 2, 4], 1)?, tensor(&[2], 2)?, tensor(&[2], 3)?];
        let run = |updated: bool| {
            let (x, mean) = (Var::from_tensor(&x)?, Var::from_tensor(&tensor(&[2], 4)?)?);
            let var = Var::from_tensor(&tensor(&[2], 5)?.sqr()?)?;
            let statistics = BatchStatistics { mean: mean.as_detached_tensor(), var: var.as_detached_tensor() };
            let y = ops::batch_norm(&x, &gamma, &beta, &statistics, 1e-3, false)?;
            let (trained, batch) = ops::batch_norm_train(&x, &gamma, &beta, 1e-3, false)?;
            if updated {
                mean.set(&tensor(&[2], 6)?)?;
                var.set(&tensor(&[2], 7)?.sqr()?)?;
                batch.mean.slice_set(&tensor(&[2], 8)?, 0, 0)?;
            }
            let gradients = (y.sqr()? + trained.sqr()?)?.sum_all()?.backward()?;
            Ok::<_, candle_core::Error>(gradients.get(&x).unwrap().clone())
        };
        close(&format!("gradient in {dtype:?}"), &run(true)?, &run(false)?, 0.)?;
    }
    Ok(())
}
