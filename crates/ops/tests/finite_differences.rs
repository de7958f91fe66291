//! Compares the gradients of the compositions with central differences, in f64 on random shapes. That the kernels have
//! the same gradients is tested in `properties.rs`.

mod common;

use candle_core::{DType, Result, Tensor, bail};
use common::{attend, attention_shapes, distinct, evaluate, integers, slopes};
use ops::{BatchStatistics, Conv2dConfig, Window};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// Fails unless the slope of `Σ f · dy` along a random direction of all inputs is the one that follows from the
/// gradients.
fn slope_is_exact(inputs: &[Tensor], seed: u64, f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let upstream = |y: &Tensor| integers(y.dims(), seed)?.to_dtype(DType::F64);
    let (_, gradients) = evaluate(inputs, upstream, &f)?;
    let Some([slope, expected]) = slopes(inputs, &gradients, seed, upstream, f)? else {
        bail!("a kink lies within a step")
    };
    if (slope - expected).abs() > 1e-5 * (1. + slope.abs()) {
        bail!("the slope is {slope}, but {expected} follows from the gradients")
    }
    Ok(())
}

/// Names the operator in the error of a failed case.
fn holds(what: &str, result: Result<()>) -> std::result::Result<(), TestCaseError> {
    common::holds(result.map_err(|error| candle_core::Error::msg(format!("{what}: {error}"))))
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn windowed_operators_have_exact_gradients(
        dims in [1usize..=3, 1usize..=3],
        kernel in [1usize..=4, 1usize..=4],
        stride in [1usize..=3, 1usize..=3],
        more in [0usize..=5, 0usize..=5],
        padded: bool,
        seed in 0u64..1 << 32,
    ) {
        let [n, c] = dims;
        let [kh, kw] = kernel;
        let window = Window::new(kernel, stride, if padded { [kh / 2, kw / 2] } else { [0, 0] });
        let x = distinct(&[n, c, kh + more[0], kw + more[1]], seed)?;
        let weighted = [x.clone(), distinct(&[2, c, kh, kw], seed + 1)?, distinct(&[2], seed + 2)?];
        holds("conv2d", slope_is_exact(&weighted, seed, |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), &window.into())))?;
        let weighted = [x.clone(), distinct(&[c, 1, kh, kw], seed + 1)?, distinct(&[c], seed + 2)?];
        let depthwise = |t: &[Tensor]| ops::depthwise_conv2d(&t[0], &t[1], Some(&t[2]), &window);
        holds("depthwise_conv2d", slope_is_exact(&weighted, seed, depthwise))?;
        let x = [x];
        holds("max_pool2d", slope_is_exact(&x, seed, |t| ops::max_pool2d(&t[0], &window)))?;
        holds("avg_pool2d", slope_is_exact(&x, seed, |t| ops::avg_pool2d(&t[0], &window)))?;
        holds("adaptive_max_pool2d", slope_is_exact(&x, seed, |t| ops::adaptive_max_pool2d(&t[0], stride)))?;
        holds("adaptive_avg_pool2d", slope_is_exact(&x, seed, |t| ops::adaptive_avg_pool2d(&t[0], stride)))?;
    }

    #[test]
    fn grouped_and_dilated_convolutions_have_exact_gradients(
        [groups, inputs, outputs] in [1usize..=3, 1usize..=2, 1usize..=2],
        kernel in [1usize..=3, 1usize..=3],
        stride in [1usize..=4, 1usize..=4],
        padding in [0usize..=2, 0usize..=2],
        dilation in [1usize..=4, 1usize..=4],
        more in [0usize..=5, 0usize..=5],
        seed in 0u64..1 << 32,
    ) {
        let mut config = Conv2dConfig::default().groups(groups);
        (config.stride, config.padding, config.dilation) = (stride, padding, dilation);
        let [h, w] = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1 + more[axis]);
        let shapes: [&[usize]; 3] =
            [&[2, groups * inputs, h, w], &[groups * outputs, inputs, kernel[0], kernel[1]], &[groups * outputs]];
        let t = shapes.iter().zip(seed..).map(|(shape, seed)| distinct(shape, seed)).collect::<Result<Vec<_>>>()?;
        holds("conv2d", slope_is_exact(&t, seed, |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), &config)))?;
    }

    #[test]
    fn global_pooling_has_exact_gradients(
        dims in [1usize..=3, 1usize..=3, 1usize..=5, 1usize..=5],
        seed in 0u64..1 << 32,
    ) {
        let x = distinct(&dims, seed)?;
        let scalar = |value: f64| Tensor::new(&[value], x.device());
        let one = [x.clone()];
        holds("global_avg_pool", slope_is_exact(&one, seed, |t| ops::global_avg_pool(&t[0])))?;
        holds("global_max_pool", slope_is_exact(&one, seed, |t| ops::global_max_pool(&t[0])))?;
        holds("global_avg_max_pool", slope_is_exact(&one, seed, |t| ops::global_avg_max_pool(&t[0])))?;
        // The values are small enough for other positions than the maximum to count.
        holds("lse_pool", slope_is_exact(&[(&x * 0.1)?, scalar(10.)?], seed, |t| ops::lse_pool(&t[0], &t[1])))?;
        let attended = attention_shapes(&dims, 3);
        let attended = attended.iter().zip(seed..).map(|(shape, seed)| distinct(shape, seed)? * 0.3);
        holds("gated_attention_pool", slope_is_exact(&attended.collect::<Result<Vec<_>>>()?, seed, attend))?;
        holds("spatial_pyramid_pool", slope_is_exact(&one, seed, |t| ops::spatial_pyramid_pool(&t[0], &[1, 3])))?;
        for p in [3., 20.] {
            let what = format!("gem_pool with p = {p}");
            holds(&what, slope_is_exact(&[x.clone(), scalar(p)?], seed, |t| ops::gem_pool(&t[0], &t[1])))?;
        }
    }

    #[test]
    fn batch_normalisation_has_exact_gradients(
        dims in [2usize..=4, 1usize..=3, 1usize..=4, 1usize..=4],
        rank in 2usize..=4,
        seed in 0u64..1 << 32,
    ) {
        let c = dims[1];
        let inputs = [distinct(&dims[..rank], seed)?, distinct(&[c], seed + 1)?, distinct(&[c], seed + 2)?];
        let train = |t: &[Tensor]| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-3, false)?.0);
        holds("batch_norm_train", slope_is_exact(&inputs, seed, train))?;
        let statistics = BatchStatistics { mean: distinct(&[c], seed + 3)?, var: distinct(&[c], seed + 4)?.sqr()? };
        let eval = |t: &[Tensor]| ops::batch_norm(&t[0], &t[1], &t[2], &statistics, 1e-3, false);
        holds("batch_norm", slope_is_exact(&inputs, seed, eval))?;
    }

    #[test]
    fn dense_operators_and_losses_have_exact_gradients(dims in [1usize..=9, 2usize..=9], seed in 0u64..1 << 32) {
        let [n, d] = dims;
        let x = distinct(&dims, seed)?;
        let weighted = [x.clone(), distinct(&[3, d], seed + 1)?, distinct(&[3], seed + 2)?];
        holds("linear", slope_is_exact(&weighted, seed, |t| ops::linear(&t[0], &t[1], Some(&t[2]))))?;
        let targets = Tensor::arange(0u32, n as u32, x.device())?;
        let targets = (targets.to_dtype(DType::F64)? * (d as f64 / (n as f64 + 0.5)))?.to_dtype(DType::U32)?;
        let soft = ops::softmax(&distinct(&dims, seed + 3)?)?;
        let one = [x];
        holds("relu", slope_is_exact(&one, seed, |t| ops::relu(&t[0])))?;
        holds("elu", slope_is_exact(&one, seed, |t| ops::elu(&t[0], 0.5)))?;
        holds("softmax", slope_is_exact(&one, seed, |t| ops::softmax(&t[0])))?;
        holds("cross_entropy", slope_is_exact(&one, seed, |t| ops::cross_entropy(&t[0], &targets)))?;
        let smoothed = |t: &[Tensor]| ops::cross_entropy_smoothed(&t[0], &targets, 0.2);
        holds("cross_entropy_smoothed", slope_is_exact(&one, seed, smoothed))?;
        holds("bce_with_logits", slope_is_exact(&one, seed, |t| ops::bce_with_logits(&t[0], &soft)))?;
    }
}
