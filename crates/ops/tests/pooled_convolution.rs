//! Pooled convolutions of one input channel, whose kernel runs along rows, at any width and number of output channels.

mod common;

use candle_core::{DType, Result};
use common::{close, evaluate, holds, integers};
use ops::Conv2dConfig;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pooled_convolution_of_one_channel_equals_its_composition(
        batch in 1usize..=3,
        channels in 1usize..=9,
        kernel in [1usize..=6, 1usize..=6],
        padding in 0usize..=2,
        more in [2usize..=9, 2usize..=70],
        bias: bool,
        seed in 0u64..1 << 32,
    ) {
        let [height, width] = [0, 1].map(|axis| kernel[axis] + more[axis]);
        let config = Conv2dConfig::default().padding(padding);
        let shapes = [vec![batch, 1, height, width], vec![channels, 1, kernel[0], kernel[1]], vec![channels]];
        let inputs = shapes[..if bias { 3 } else { 2 }].iter().zip(seed..);
        let run = |dtype: DType| {
            let inputs = inputs.clone().map(|(shape, seed)| integers(shape, seed)?.to_dtype(dtype));
            evaluate(
                &inputs.collect::<Result<Vec<_>>>()?,
                |y| integers(y.dims(), 99)?.to_dtype(dtype),
                |t| ops::conv2d_relu_max_pool(&t[0], &t[1], t.get(2), &config),
            )
        };
        holds(run(DType::F32).and_then(|(y, gradients)| {
            // Computed in f64 by the composition.
            let (expected_y, expected) = run(DType::F64)?;
            close("result", &y, &expected_y, 0.)?;
            gradients.iter().zip(&expected).try_for_each(|(gradient, expected)| close("gradient", gradient, expected, 0.))
        }))?;
    }
}
