//! The backward pass as such: it can run twice, and what is asked of it does not change what it gives.

mod common;

use candle_core::{DType, Result, Tensor};
use common::{close, distinct, evaluate, integers};
use ops::Window;

/// A small network with one operator of each kind, on one f32 image after the other.
fn network(x: &Tensor, weight: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    let x = ops::conv2d(x, weight, None, &Window::square(3).stride(1).padding(1))?;
    let (x, _) = ops::batch_norm_train(&x, gamma, beta, 1e-5, true)?;
    let x = ops::avg_pool2d(&ops::max_pool2d(&x, &Window::square(2))?, &Window::square(2).stride(1))?;
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
    let window = Window::square(3).stride(2).padding(1);
    let alone = common::gradient(&weight, |weight| ops::conv2d_relu(&x, weight, None, &window))?;
    let inputs = [x.clone(), weight];
    let (_, both) = evaluate(&inputs, |y| y.ones_like(), |t| ops::conv2d_relu(&t[0], &t[1], None, &window))?;
    close("convolution", &alone, &both[1], 0.)?;

    let [x, weight] = [integers(&[19, 6], 1)?, integers(&[4, 6], 2)?];
    let alone = common::gradient(&weight, |weight| ops::linear(&x, weight, None))?;
    let (_, both) = evaluate(&[x.clone(), weight], |y| y.ones_like(), |t| ops::linear(&t[0], &t[1], None))?;
    close("linear", &alone, &both[1], 0.)
}
