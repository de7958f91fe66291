//! The backward pass can run twice, and its results do not depend on which gradients are needed or how operators are
//! fused.

mod common;

use candle_core::{DType, Result, Tensor};
use common::{close, distinct, evaluate, integers};
use ops::{Conv2dConfig, ConvBatchNorm, Epilogue, Projection, Window};

/// A small network with one operator of each kind.
fn network(x: &Tensor, weight: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    let x = ops::conv2d(x, weight, None, &Window::conv(3).padding(1).into())?;
    let (x, _) = ops::batch_norm_train(&x, gamma, beta, 1e-5, true)?;
    let x = ops::avg_pool2d(&ops::max_pool2d(&x, &Window::pool(2))?, &Window::pool(2).stride(1))?;
    ops::linear_relu(&ops::global_max_pool(&x)?, gamma.unsqueeze(0)?.as_ref(), None)?.sum_all()
}

#[test]
fn a_second_backward_pass_gives_the_same_gradients() -> Result<()> {
    let var = |shape: &[usize]| candle_core::Var::from_tensor(&distinct(shape, 1)?.to_dtype(DType::F32)?);
    let (x, weight, gamma, beta) = (var(&[9, 3, 7, 7])?, var(&[4, 3, 3, 3])?, var(&[4])?, var(&[4])?);
    let loss = network(&x, &weight, &gamma, &beta)?;
    let (first, second) = (loss.backward()?, loss.backward()?);
    for v in [&x, &weight, &gamma, &beta] {
        close("gradient", first.get(v).unwrap(), second.get(v).unwrap(), 0.)?;
    }
    Ok(())
}

#[test]
fn the_gradient_of_the_weights_does_not_depend_on_whether_the_input_has_one() -> Result<()> {
    let [x, weight] = [integers(&[9, 3, 7, 7], 1)?, integers(&[4, 3, 3, 3], 2)?];
    let config = Conv2dConfig::default().stride(2).padding(1);
    let alone = common::gradient(&weight, |weight| ops::conv2d_relu(&x, weight, None, &config))?;
    let inputs = [x.clone(), weight];
    let (_, both) = evaluate(&inputs, |y| y.ones_like(), |t| ops::conv2d_relu(&t[0], &t[1], None, &config))?;
    close("convolution", &alone, &both[1], 0.)?;

    let [x, weight] = [integers(&[19, 6], 1)?, integers(&[4, 6], 2)?];
    let alone = common::gradient(&weight, |weight| ops::linear(&x, weight, None))?;
    let (_, both) = evaluate(&[x.clone(), weight], |y| y.ones_like(), |t| ops::linear(&t[0], &t[1], None))?;
    close("linear", &alone, &both[1], 0.)
}

#[test]
fn normalised_convolutions_in_a_row_are_the_same_as_one_after_the_other() -> Result<()> {
    // The first of these stay in planes, the others are channels last.
    for [inputs, hidden, outputs] in [[2, 5, 17], [3, 16, 32], [20, 24, 16]] {
        are_the_same_in_a_row(inputs, hidden, outputs)?;
    }
    Ok(())
}

/// Compares a dense, a depthwise and a 1×1 convolution of these numbers of channels in one operator with one after the other.
fn are_the_same_in_a_row(inputs: usize, hidden: usize, outputs: usize) -> Result<()> {
    let per_hidden = [hidden];
    let shapes: [&[usize]; 11] = [
        &[9, inputs, 11, 13],
        &[hidden, inputs, 3, 3],
        &per_hidden,
        &per_hidden,
        &per_hidden,
        &[hidden, 1, 3, 3],
        &per_hidden,
        &per_hidden,
        &[outputs, hidden, 1, 1],
        &[outputs],
        &[outputs],
    ];
    let inputs = shapes.iter().zip(1..).map(|(shape, seed)| distinct(shape, seed)?.to_dtype(DType::F32));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let layers = |t: &[Tensor], f: &dyn Fn(&[ConvBatchNorm]) -> Result<Tensor>| {
        let window = Window::conv(3).padding(1);
        let first = ConvBatchNorm::new(&t[1], window, &t[2], &t[3]).bias(Some(&t[4])).epilogue(Epilogue::ReluMaxPool);
        let second = ConvBatchNorm::new(&t[5], window, &t[6], &t[7]).depthwise(true).epilogue(Epilogue::Relu);
        f(&[first, second, ConvBatchNorm::new(&t[8], Window::conv(1), &t[9], &t[10])])
    };
    let in_a_row = |t: &[Tensor]| layers(t, &|layers| Ok(ops::conv_batch_norm_train(&t[0], layers)?.0));
    let one_by_one = |t: &[Tensor]| {
        layers(t, &|layers| {
            let next = |xs, layer: &ConvBatchNorm| Ok(ops::conv_batch_norm_train(&xs, &[*layer])?.0);
            layers.iter().try_fold(t[0].clone(), next)
        })
    };
    let upstream = |y: &Tensor| integers(y.dims(), 12);
    let (y, gradients) = evaluate(&inputs, upstream, in_a_row)?;
    let (expected, expected_gradients) = evaluate(&inputs, upstream, one_by_one)?;
    close("result", &y, &expected, 0.)?;
    for ((gradient, expected), shape) in gradients.iter().zip(&expected_gradients).zip(shapes) {
        close(&format!("gradient of {shape:?}"), gradient, expected, 0.)?;
    }
    Ok(())
}

#[test]
fn a_stride_beyond_any_image_has_the_gradients_of_a_single_position() -> Result<()> {
    let inputs = [integers(&[2, 3, 6, 5], 1)?, integers(&[3, 1, 4, 4], 2)?];
    let inputs = inputs.map(|t| t.to_dtype(DType::F32).unwrap());
    let gradients = |stride| -> Result<_> {
        let window = Window::conv(4).stride(stride);
        Ok(evaluate(&inputs, |y| y.ones_like(), |t| ops::depthwise_conv2d(&t[0], &t[1], None, &window))?.1)
    };
    let expected = gradients(6)?;
    for stride in [usize::MAX, usize::MAX / 2, usize::MAX / 3, 7] {
        for (gradient, expected) in gradients(stride)?.iter().zip(&expected) {
            close("gradient", gradient, expected, 0.)?;
        }
    }
    Ok(())
}

#[test]
fn a_residual_block_in_one_operator_is_the_same_as_its_parts() -> Result<()> {
    let body: [&[usize]; 8] = [&[9, 8, 11, 13], &[8, 8, 3, 3], &[8], &[8], &[8], &[8, 8, 3, 3], &[8], &[8]];
    let (same, strided) = (Window::conv(3).padding(1), Window::conv(3).stride(2).padding(1));
    // Shapes of the projection's weights and bias (none for the identity), its window, and that of the first layer.
    let blocks: [(&[&[usize]], Window, Window); 4] = [
        (&[], same, same),
        (&[&[8, 8, 1, 1], &[8]], Window::conv(1), same),
        (&[&[8, 8, 1, 1], &[8]], Window::conv(1).stride(2), strided),
        (&[&[8, 8, 3, 3]], strided, strided),
    ];
    for (projected, window, first) in blocks {
        let shapes = [&body, projected].concat();
        let inputs = shapes.iter().zip(1..).map(|(shape, seed)| distinct(shape, seed)?.to_dtype(DType::F32));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let block = |t: &[Tensor], as_one: bool| {
            let first = ConvBatchNorm::new(&t[1], first, &t[2], &t[3]).bias(Some(&t[4])).epilogue(Epilogue::Relu);
            let layers = [first, ConvBatchNorm::new(&t[5], same, &t[6], &t[7])];
            let projection = t.get(8).map(|weight| Projection::new(weight, t.get(9), window));
            if as_one {
                return Ok(ops::residual_conv_batch_norm_train(&t[0], &layers, projection)?.0);
            }
            let shortcut =
                projection.map_or(Ok(t[0].clone()), |p| ops::conv2d(&t[0], p.weight, p.bias, &p.window.into()))?;
            ops::add_relu(&ops::conv_batch_norm_train(&t[0], &layers)?.0, &shortcut)
        };
        let upstream = |y: &Tensor| integers(y.dims(), 12);
        let (y, gradients) = evaluate(&inputs, upstream, |t| block(t, true))?;
        let (expected, expected_gradients) = evaluate(&inputs, upstream, |t| block(t, false))?;
        close("result", &y, &expected, 0.)?;
        for ((gradient, expected), shape) in gradients.iter().zip(&expected_gradients).zip(shapes) {
            close(&format!("gradient of {shape:?}"), gradient, expected, 0.)?;
        }
    }
    Ok(())
}
