//! The gradients of a tape are those of candle's backward pass.

mod common;

use candle_core::{DType, Result, Tensor, Var, backprop::GradStore};
use common::{HasNoGradient, distinct};
use ops::{Block, Conv2dConfig, ConvBatchNorm, Epilogue, Tape, Window};

fn values(shape: &[usize], seed: u64) -> Result<Tensor> {
    let scale = 3. / shape.iter().product::<usize>() as f64;
    (distinct(shape, seed)? * scale)?.to_dtype(DType::F32)
}

fn var(shape: &[usize], seed: u64) -> Result<Var> {
    Var::from_tensor(&values(shape, seed)?)
}

/// Computes a loss with candle's backward pass, and again with a tape, and compares the gradients of these variables. A variable
/// that the loss does not depend on has none.
fn check(variables: &[&Var], loss: impl Fn() -> Result<Tensor>) -> Result<()> {
    let expected = loss()?.backward()?;
    let tape = Tape::start();
    let actual = tape.backward(&loss()?)?;
    compare(variables, &expected, &actual)
}

fn compare(variables: &[&Var], expected: &GradStore, actual: &GradStore) -> Result<()> {
    let of = |gradients: &GradStore, variable: &Var| {
        gradients.get(variable).map(|gradient| gradient.flatten_all()?.to_vec1::<f32>()).transpose()
    };
    for (i, variable) in variables.iter().enumerate() {
        let (expected, actual) = (of(expected, variable)?, of(actual, variable)?);
        assert_eq!(expected.is_some(), actual.is_some(), "variable {i}");
        for (a, b) in expected.into_iter().flatten().zip(actual.into_iter().flatten()) {
            assert!((a - b).abs() <= 1e-6 * a.abs().max(1e-3), "variable {i}: {a} and {b}");
        }
    }
    Ok(())
}

#[test]
fn recorded_operators_and_those_of_candle_may_follow_each_other() -> Result<()> {
    let images = values(&[3, 2, 9, 9], 1)?;
    let [kernel, gamma, beta] = [var(&[4, 2, 3, 3], 2)?, var(&[4], 3)?, var(&[4], 4)?];
    let [weight, square, unused] = [var(&[4, 16], 5)?, var(&[4, 4], 6)?, var(&[4], 7)?];
    check(&[&kernel, &gamma, &beta, &weight, &square, &unused], || {
        let layer = ConvBatchNorm::new(&kernel, Window::conv(3), &gamma, &beta).epilogue(Epilogue::ReluMaxPool);
        let (features, _) = ops::blocks_train(&images, &[Block::ConvBatchNorm(vec![layer])])?;
        // Taken by an operator of candle and by two of this crate.
        let maxima = ops::global_max_pool(&features)?;
        let averages = ops::avg_pool2d(&features, &Window::pool(3))?.flatten_from(1)?.narrow(1, 0, 4)?;
        let scaled = (features.affine(0.5, 0.1)?.flatten_from(2)?.narrow(2, 0, 4)?.flatten_from(1)? * 2.)?;
        let rows = (ops::linear_relu(&scaled, &weight, None)? + maxima + averages)?;
        // A weight of an operator of this crate and of one of candle, twice.
        let rows = ops::linear(&ops::linear(&rows, &square, None)?.matmul(&square)?, &square, None)?;
        ops::cross_entropy(&rows, &Tensor::new(&[0u32, 3, 1], images.device())?)
    })
}

#[test]
fn arguments_within_a_graph_of_candle_get_their_gradients() -> Result<()> {
    let [images, kernel, weight] = [var(&[2, 2, 6, 6], 1)?, var(&[3, 2, 3, 3], 2)?, var(&[5, 12], 3)?];
    check(&[&images, &kernel, &weight], || {
        // Neither argument of the convolution is a variable, nor a constant.
        let config = Conv2dConfig::default();
        let features = ops::conv2d_relu_max_pool(&images.affine(2., 0.)?, &(&*kernel * 3.)?, None, &config)?;
        ops::flatten_linear(&features, &weight, None, true)?.sqr()?.sum_all()
    })?;
    // A variable as the input of a recorded operator.
    check(&[&images, &kernel, &weight], || {
        ops::conv2d(&images, &kernel, None, &Conv2dConfig::default())?.sqr()?.sum_all()
    })
}

#[test]
fn a_flattening_linear_layer_equals_the_two_layers() -> Result<()> {
    let [features, weight, bias] = [var(&[3, 2, 1, 4], 1)?, var(&[5, 8], 2)?, var(&[5], 3)?];
    for relu in [false, true] {
        let separate = ops::linear(&features.flatten_from(1)?, &weight, Some(&bias))?;
        let separate = if relu { ops::relu(&separate)? } else { separate };
        let together = ops::flatten_linear(&features, &weight, Some(&bias), relu)?;
        assert_eq!(separate.to_vec2::<f32>()?, together.to_vec2::<f32>()?);
        let loss = |y: &Tensor| y.sqr()?.sum_all();
        let [expected, actual] = [loss(&separate)?.backward()?, loss(&together)?.backward()?];
        compare(&[&features, &weight, &bias], &expected, &actual)?;
    }
    let error = ops::flatten_linear(&features, &values(&[5, 4], 2)?, None, false).unwrap_err();
    assert!(error.to_string().contains("do not fit"), "{error}");
    Ok(())
}

#[test]
fn a_tape_ends_with_its_backward_pass_and_where_it_is_dropped() -> Result<()> {
    let weight = var(&[4, 4], 1)?;
    let loss = || ops::linear(&values(&[3, 4], 2)?, &weight, None)?.sqr()?.sum_all();
    let expected = loss()?.backward()?;
    let is_recorded = || Ok::<_, candle_core::Error>(ops::linear(&values(&[3, 4], 2)?, &weight, None)?.is_variable());
    let outer = Tape::start();
    assert!(is_recorded()?);
    let of_outer = loss()?;
    let inner = Tape::start();
    compare(&[&weight], &expected, &inner.backward(&loss()?)?)?;
    drop(Tape::start());
    compare(&[&weight], &expected, &outer.backward(&of_outer)?)?;
    assert!(!is_recorded()?);
    compare(&[&weight], &expected, &loss()?.backward()?)
}

#[test]
fn an_error_ends_the_tape() -> Result<()> {
    let weight = var(&[4, 4], 1)?;
    let loss = || ops::linear(&values(&[3, 4], 2)?, &weight, None)?.sum_all();
    let tape = Tape::start();
    assert!(tape.backward(&(loss()?.apply_op1(HasNoGradient)? + loss()?)?).is_err());
    assert!(loss()?.backward()?.get(&weight).is_some());
    Ok(())
}
