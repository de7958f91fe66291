//! Pooled convolutions of few channels: the kernel that runs along rows, and the gradient of the weights that skips zeros.

mod common;

use candle_core::{DType, Result, Tensor, Var};
use common::{close, distinct, evaluate, holds, holds_value, integers, values};
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

    /// The gradients of weights and bias are computed with the products of matrices if the input needs a gradient too.
    #[test]
    fn gradients_of_few_channels_have_the_same_bits_whether_or_not_the_input_needs_one(
        batch in 1usize..=3,
        (inputs, columns) in (1usize..=3).prop_flat_map(|inputs| (Just(inputs), 1..=8 / inputs)),
        outputs in 1usize..=8,
        stride in 1usize..=2,
        padding in 0usize..=2,
        more in [3usize..=60, 3usize..=40],
        seed in 0u64..1 << 32,
    ) {
        let shapes =
            [vec![batch, inputs, 5 + more[0], columns + more[1]], vec![outputs, inputs, 5, columns], vec![outputs]];
        let config = Conv2dConfig::default().padding(padding).stride(stride);
        let gradients = |needs_input: bool| -> Result<Vec<Vec<f64>>> {
            let tensors = shapes.iter().zip(seed..).map(|(shape, seed)| distinct(shape, seed)?.to_dtype(DType::F32));
            let tensors = tensors.collect::<Result<Vec<_>>>()?;
            let [x, weight, bias] = [0, 1, 2].map(|i| Var::from_tensor(&(&tensors[i] * 1e-3).unwrap()).unwrap());
            let image = if needs_input { x.as_tensor().clone() } else { x.detach() };
            let y = ops::conv2d_relu_max_pool(&image, &weight, Some(&bias), &config)?;
            let dy = (distinct(y.dims(), seed)? * 1e-3)?.to_dtype(DType::F32)?;
            let gradients = ops::backward(&(y * dy)?.sum_all()?)?;
            let of = |var: &Tensor| values(gradients.get(var).expect("a gradient"));
            Ok(vec![of(&weight)?, of(&bias)?])
        };
        let (dense, sparse) = (holds_value(gradients(true))?, holds_value(gradients(false))?);
        prop_assert!(dense == sparse);
    }
}
