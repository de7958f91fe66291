//! What this crate does where candle 0.11's own operators mislead a training run. The tests in `candle_still` fail as
//! soon as candle corrects an operator; ours may then become superfluous.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{close, evaluate, gradient, values};
use ops::{Conv2dConfig, Window};

/// Returns 0, 1, 2, … as (1, 1, height, width), with one maximum in each window.
fn ramp(height: usize, width: usize) -> Result<Tensor> {
    Tensor::arange(0f32, (height * width) as f32, &Device::Cpu)?.reshape((1, 1, height, width))
}

fn sum(tensor: &Tensor) -> Result<f32> {
    tensor.sum_all()?.to_scalar()
}

fn vector(values: &[f32]) -> Result<Tensor> {
    Tensor::new(values, &Device::Cpu)
}

#[test]
fn max_pooling_hands_on_the_whole_gradient_of_every_window() -> Result<()> {
    let dx = gradient(&ramp(4, 4)?, |x| ops::max_pool2d(x, &Window::pool(2)))?;
    let winners = [0., 0., 0., 0., 0., 1., 0., 1., 0., 0., 0., 0., 0., 1., 0., 1.];
    assert_eq!(values(&dx)?, winners);
    Ok(())
}

#[test]
fn max_pooling_gives_tied_maxima_one_winner_the_first() -> Result<()> {
    let dx =
        gradient(&Tensor::zeros((1, 1, 2, 2), DType::F32, &Device::Cpu)?, |x| ops::max_pool2d(x, &Window::pool(2)))?;
    assert_eq!(values(&dx)?, [1., 0., 0., 0.]);
    Ok(())
}

#[test]
fn pooling_gradients_are_right_where_the_stride_does_not_divide_the_size() -> Result<()> {
    let x = ramp(11, 11)?;
    for dx in [
        gradient(&x, |x| ops::max_pool2d(x, &Window::pool(2)))?,
        gradient(&x, |x| ops::avg_pool2d(x, &Window::pool(2)))?,
    ] {
        assert_eq!(sum(&dx)?, 25.);
        assert_eq!(sum(&dx.narrow(2, 10, 1)?)?, 0., "no window sees the last row");
        assert_eq!(sum(&dx.narrow(3, 10, 1)?)?, 0., "no window sees the last column");
    }
    Ok(())
}

#[test]
fn pooling_has_gradients_for_overlapping_padded_one_dimensional_and_global_windows() -> Result<()> {
    let x = ramp(7, 7)?;
    let padded = Window::pool(3).stride(2).padding(1);
    assert_eq!(sum(&gradient(&x, |x| ops::max_pool2d(x, &padded))?)?, 16.);
    assert_eq!(sum(&gradient(&x, |x| ops::max_pool2d(x, &Window::pool(3).stride(1)))?)?, 25.);
    assert_eq!(sum(&gradient(&x, |x| ops::adaptive_max_pool2d(x, [2, 2]))?)?, 4.);
    assert_eq!(sum(&gradient(&x.squeeze(1)?, |x| ops::max_pool1d(x, 3, 1, 1))?)?, 49.);
    assert!((sum(&gradient(&x, ops::global_avg_pool)?)? - 1.).abs() < 1e-6);
    Ok(())
}

#[test]
fn global_max_pooling_gives_tied_maxima_one_winner_the_first() -> Result<()> {
    let x = vector(&[1., 3., 3., 3.])?.reshape((1, 1, 4))?;
    assert_eq!(values(&gradient(&x, ops::global_max_pool)?)?, [0., 1., 0., 0.]);
    Ok(())
}

#[test]
fn relu_has_gradient_zero_at_zero() -> Result<()> {
    let x = vector(&[-1., 0., 1.])?;
    assert_eq!(values(&gradient(&x, ops::relu)?)?, [0., 0., 1.]);
    let identity = vector(&[1.])?.reshape((1, 1, 1, 1))?;
    let fused = |x: &Tensor| ops::conv2d_relu(&x.reshape((1, 1, 1, 3))?, &identity, None, &Conv2dConfig::default());
    assert_eq!(values(&gradient(&x, fused)?)?, [0., 0., 1.]);
    let pooled = vector(&[0.; 4])?.reshape((1, 1, 2, 2))?;
    let fused = |x: &Tensor| ops::conv2d_relu_max_pool(x, &identity, None, &Conv2dConfig::default());
    assert_eq!(values(&gradient(&pooled, fused)?)?, [0.; 4]);
    let fused = |x: &Tensor| ops::linear_relu(&x.unsqueeze(1)?, &identity.reshape((1, 1))?, None);
    assert_eq!(values(&gradient(&x, fused)?)?, [0., 0., 1.]);
    Ok(())
}

#[test]
fn softmax_does_not_cut_the_graph() -> Result<()> {
    let dx = gradient(&vector(&[0., 0.])?, |x| ops::softmax(x)?.narrow(0, 0, 1))?;
    assert_eq!(values(&dx)?, [0.25, -0.25]);
    Ok(())
}

#[test]
fn binary_cross_entropy_of_large_logits_is_finite_and_has_a_gradient() -> Result<()> {
    let (logits, targets) = (vector(&[100., -100.])?, vector(&[0., 1.])?);
    assert_eq!(values(&ops::bce_with_logits(&logits, &targets)?)?, [100.]);
    assert_eq!(values(&gradient(&logits, |x| ops::bce_with_logits(x, &targets))?)?, [0.5, -0.5]);
    Ok(())
}

#[test]
fn the_generalised_mean_of_small_features_does_not_underflow_at_large_powers() -> Result<()> {
    // The 20th powers of 1e-6 (which stands for 0) and of 1e-3 are 0 in f32.
    let x = vector(&[0., 0., 0., 1e-3, 1e-3, 1e-3])?.reshape((1, 2, 3))?;
    let (y, gradients) = evaluate(&[x, vector(&[20.])?], |y| y.ones_like(), |t| ops::gem_pool(&t[0], &t[1]))?;
    close("result", &(y.flatten_all()? / vector(&[1e-6, 1e-3])?)?, &vector(&[1., 1.])?, 1e-5)?;
    let thirds = vector(&[0., 0., 0., 1. / 3., 1. / 3., 1. / 3.])?.reshape((1, 2, 3))?;
    close("gradient", &gradients[0], &thirds, 1e-5)?;
    close("gradient of p", &gradients[1], &vector(&[0.])?, 1e-6)
}

/// The traps that make the tests above worth having.
mod candle_still {
    use super::*;

    #[test]
    fn scales_the_gradient_of_max_pooling_by_the_window() -> Result<()> {
        assert_eq!(sum(&gradient(&ramp(4, 4)?, |x| x.max_pool2d(2))?)?, 1.);
        Ok(())
    }

    #[test]
    fn misaligns_the_gradient_of_pooling_at_odd_sizes() -> Result<()> {
        let x = ramp(11, 11)?;
        assert_ne!(sum(&gradient(&x, |x| x.max_pool2d(2))?)?, 25.);
        assert_ne!(sum(&gradient(&x, |x| x.avg_pool2d(2))?)?, 25.);
        Ok(())
    }

    #[test]
    fn has_no_gradient_for_overlapping_windows() -> Result<()> {
        assert!(gradient(&ramp(7, 7)?, |x| x.max_pool2d_with_stride(3, 2)).is_err());
        assert!(gradient(&ramp(7, 7)?, |x| x.avg_pool2d_with_stride(3, 2)).is_err());
        Ok(())
    }

    #[test]
    fn gives_every_tied_maximum_the_full_gradient() -> Result<()> {
        assert_eq!(sum(&gradient(&vector(&[1., 3., 3., 3.])?, |x| x.max(0))?)?, 3.);
        Ok(())
    }

    #[test]
    fn has_a_relu_with_gradient_one_at_zero() -> Result<()> {
        assert_eq!(values(&gradient(&vector(&[0.])?, |x| x.relu())?)?, [1.]);
        Ok(())
    }

    #[test]
    fn cuts_the_graph_in_softmax_last_dim_and_the_norms() -> Result<()> {
        let x = candle_core::Var::from_tensor(&vector(&[1., 2.])?.unsqueeze(0)?)?;
        let weight = vector(&[1., 1.])?;
        for y in [
            candle_nn::ops::softmax_last_dim(&x)?,
            candle_nn::ops::rms_norm(&x, &weight, 1e-5)?,
            candle_nn::ops::layer_norm(&x, &weight, &weight, 1e-5)?,
        ] {
            assert!(!y.track_op());
        }
        Ok(())
    }

    #[test]
    fn overflows_in_binary_cross_entropy_of_large_logits() -> Result<()> {
        let (logits, targets) = (vector(&[100., -100.])?, vector(&[0., 1.])?);
        let loss = candle_nn::loss::binary_cross_entropy_with_logit(&logits, &targets)?;
        assert!(!values(&loss)?[0].is_finite());
        Ok(())
    }

    #[test]
    fn lets_a_target_that_is_no_class_pass() -> Result<()> {
        let (logits, targets) = (vector(&[1., 2.])?.unsqueeze(0)?, Tensor::new(&[u32::MAX], &Device::Cpu)?);
        assert!(candle_nn::loss::cross_entropy(&logits, &targets).is_ok());
        assert!(ops::cross_entropy(&logits, &targets).is_err());
        Ok(())
    }

    #[test]
    fn cannot_differentiate_a_strided_convolution_of_an_image_that_is_not_square() -> Result<()> {
        let weight = Tensor::ones((1, 1, 3, 3), DType::F32, &Device::Cpu)?;
        assert!(gradient(&ramp(7, 8)?, |x| x.conv2d(&weight, 0, 2, 1, 1)).is_err());
        assert!(gradient(&ramp(7, 8)?, |x| ops::conv2d(x, &weight, None, &Conv2dConfig::default().stride(2))).is_ok());
        Ok(())
    }

    #[test]
    fn sums_half_types_in_their_own_type_and_has_no_convolution_of_bf16() -> Result<()> {
        let ones = Tensor::ones((1, 1, 256, 256), DType::BF16, &Device::Cpu)?;
        assert!(values(&ones.mean_all()?)?[0] < 0.01);
        assert_eq!(values(&ops::global_avg_pool(&ones)?)?, [1.]);
        let weight = Tensor::ones((1, 1, 3, 3), DType::BF16, &Device::Cpu)?;
        assert!(ones.conv2d(&weight, 0, 1, 1, 1).is_err());
        assert!(ops::conv2d(&ones, &weight, None, &Conv2dConfig::default()).is_ok());
        Ok(())
    }
}
