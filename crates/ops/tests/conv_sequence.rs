//! Convolutions as one operator give what separate operators give, and `ops::backward` what candle's gives.

mod common;

use candle_core::{Result, Tensor, Var};
use common::{convolve, distinct, holds};
use ops::{Conv2dConfig, Epilogue, SequenceConv, Window, conv2d_sequence};
use proptest::prelude::*;

/// A layer that a test draws, apart from its weights.
#[derive(Debug, Clone)]
struct Layer {
    channels: usize,
    window: Window,
    epilogue: Epilogue,
    has_bias: bool,
    is_frozen: bool,
}

fn layer() -> impl Strategy<Value = Layer> {
    let channels = prop_oneof![1usize..=9, Just(16), Just(20), Just(33)];
    let window = (1usize..=4, 1usize..=2, 0usize..=2)
        .prop_map(|(kernel, stride, padding)| Window::conv(kernel).stride(stride).padding(padding.min(kernel / 2)));
    let epilogue = prop_oneof![Just(Epilogue::None), Just(Epilogue::Relu), Just(Epilogue::ReluMaxPool)];
    (channels, window, epilogue, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(channels, window, epilogue, has_bias, is_frozen)| Layer { channels, window, epilogue, has_bias, is_frozen },
    )
}

fn noise(shape: &[usize], seed: u64) -> Result<Tensor> {
    let scale = 3. / shape.iter().product::<usize>() as f64;
    (distinct(shape, seed)? * scale)?.to_dtype(candle_core::DType::F32)
}

/// Returns a tensor that takes part in a graph, unless it is frozen.
fn parameter(shape: &[usize], seed: u64, is_frozen: bool) -> Result<Tensor> {
    let values = noise(shape, seed)?;
    if is_frozen { Ok(values) } else { Ok(Var::from_tensor(&values)?.into_inner()) }
}

fn check(batch: usize, channels: usize, layers: &[Layer]) -> Result<()> {
    let (mut inputs, mut parameters, mut size) = (channels, Vec::new(), [25, 22]);
    for (seed, layer) in (0..).zip(layers) {
        let weight = parameter(
            &[layer.channels, inputs, layer.window.kernel[0], layer.window.kernel[1]],
            seed,
            layer.is_frozen,
        )?;
        let bias = layer.has_bias.then(|| parameter(&[layer.channels], 100 + seed, false)).transpose()?;
        let Ok(output) = layer.window.output_size(size) else { break };
        size = if layer.epilogue == Epilogue::ReluMaxPool { output.map(|n| n / 2) } else { output };
        if size.contains(&0) {
            break;
        }
        inputs = layer.channels;
        parameters.push((weight, bias, layer));
    }
    if parameters.is_empty() {
        return Ok(());
    }
    let x = Var::from_tensor(&noise(&[batch, channels, 25, 22], 50)?)?.into_inner();
    let separate = parameters.iter().try_fold(x.clone(), |x, (weight, bias, layer)| {
        convolve(&x, weight, bias.as_ref(), layer.window, layer.epilogue)
    })?;
    let sequence: Vec<_> = parameters
        .iter()
        .map(|(weight, bias, Layer { window, epilogue, .. })| SequenceConv {
            weight,
            bias: bias.as_ref(),
            window: *window,
            epilogue: *epilogue,
        })
        .collect();
    let sequence = conv2d_sequence(&x, &sequence)?;
    assert!(values(&separate)? == values(&sequence)?, "the results differ");
    let gradients = |y: &Tensor| (y * noise(y.dims(), 60)?)?.sum_all()?.backward();
    let (expected, actual) = (gradients(&separate)?, gradients(&sequence)?);
    for tensor in parameters.iter().flat_map(|(weight, bias, _)| [Some(weight), bias.as_ref()]).flatten().chain([&x]) {
        assert_eq!(expected.get(tensor).is_some(), actual.get(tensor).is_some());
        if let (Some(expected), Some(actual)) = (expected.get(tensor), actual.get(tensor)) {
            assert!(values(expected)? == values(actual)?, "the gradients of a tensor {:?} differ", tensor.dims());
        }
    }
    Ok(())
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_sequence_equals_separate_operators(
        batch in 1usize..6, channels in 1usize..20, layers in prop::collection::vec(layer(), 2..5)
    ) {
        holds(check(batch, channels, &layers))?;
    }
}

#[test]
fn a_sequence_without_layers_is_an_error() -> Result<()> {
    let error = conv2d_sequence(&noise(&[1, 1, 4, 4], 0)?, &[]).unwrap_err();
    assert!(error.to_string().contains("there is no layer"), "{error}");
    Ok(())
}

/// A weight that is used twice, once by an operator of this crate and once by candle's.
#[test]
fn the_gradients_of_variables_are_those_of_candle() -> Result<()> {
    let x = noise(&[3, 4], 1)?;
    let [weight, other] = [Var::from_tensor(&noise(&[4, 4], 2)?)?, Var::from_tensor(&noise(&[4, 4], 3)?)?];
    let image = Var::from_tensor(&noise(&[2, 3, 6, 6], 4)?)?;
    let kernel = Var::from_tensor(&noise(&[5, 3, 3, 3], 5)?)?;
    let y = ops::linear_relu(&ops::linear(&x, &weight, None)?, &other, None)?;
    let y = ops::linear(&y, &weight, None)?.matmul(&weight)?;
    let features = ops::conv2d_relu(&image, &kernel, None, &Conv2dConfig::default())?;
    let loss = (y.sqr()?.sum_all()? + features.sqr()?.sum_all()?)?;
    let (expected, actual) = (loss.backward()?, ops::backward(&loss)?);
    for variable in [&weight, &other, &image, &kernel] {
        let of = |gradients: &candle_core::backprop::GradStore| values(gradients.get(variable).unwrap());
        let close = of(&expected)?.iter().zip(of(&actual)?).all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs().max(1e-3));
        assert!(close, "{:?}", variable.dims());
    }
    Ok(())
}

/// An error within [`ops::backward`] leaves candle's backward pass as it was.
#[test]
fn candles_backward_pass_keeps_all_gradients_after_an_error() -> Result<()> {
    let weight = Var::from_tensor(&noise(&[4, 4], 2)?)?;
    let loss = || ops::linear(&noise(&[3, 4], 1)?, &weight, None)?.sum_all();
    struct Fails;
    impl candle_core::CustomOp1 for Fails {
        fn name(&self) -> &'static str {
            "fails"
        }
        fn cpu_fwd(
            &self,
            storage: &candle_core::CpuStorage,
            layout: &candle_core::Layout,
        ) -> Result<(candle_core::CpuStorage, candle_core::Shape)> {
            Ok((storage.clone(), layout.shape().clone()))
        }
    }
    assert!(ops::backward(&(loss()?.apply_op1(Fails)? + loss()?)?).is_err());
    assert!(loss()?.backward()?.get(&weight).is_some());
    assert!(ops::backward(&loss()?)?.get(&weight).is_some());
    Ok(())
}
