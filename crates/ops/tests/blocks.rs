//! Blocks as one operator give what they give one by one, and `ops::backward` what candle's backward pass gives.

mod common;

use candle_core::{DType, Result, Tensor, Var, backprop::GradStore};
use common::{HasNoGradient, distinct, holds};
use ops::{Block, Conv2dConfig, ConvBatchNorm, ConvEpilogue, Epilogue, Projection, Tape, Window, blocks_train};
use proptest::prelude::*;

/// The kinds of blocks that the tests draw.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Conv,
    ConvBatchNorm,
    /// A depthwise convolution with batch normalisation, which keeps the number of channels.
    Depthwise,
    Residual,
    ProjectedResidual,
}

/// A block that a test draws, apart from its weights.
#[derive(Debug, Clone)]
struct Drawn {
    kind: Kind,
    channels: usize,
    window: Window,
    epilogue: Epilogue,
    has_bias: bool,
    is_frozen: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let kind = prop_oneof![
        4 => Just(Kind::Conv),
        2 => Just(Kind::ConvBatchNorm),
        2 => Just(Kind::Depthwise),
        1 => Just(Kind::Residual),
        1 => Just(Kind::ProjectedResidual)
    ];
    let channels = prop_oneof![1usize..=9, Just(16), Just(20), Just(33)];
    let window = (1usize..=4, 1usize..=2, 0usize..=2)
        .prop_map(|(kernel, stride, padding)| Window::conv(kernel).stride(stride).padding(padding.min(kernel / 2)));
    let epilogue = prop_oneof![Just(Epilogue::None), Just(Epilogue::Relu), Just(Epilogue::ReluMaxPool)];
    (kind, channels, window, epilogue, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(kind, channels, window, epilogue, has_bias, is_frozen)| Drawn {
            kind,
            channels,
            window,
            epilogue,
            has_bias,
            is_frozen,
        },
    )
}

fn noise(shape: &[usize], seed: u64) -> Result<Tensor> {
    let scale = 3. / shape.iter().product::<usize>() as f64;
    (distinct(shape, seed)? * scale)?.to_dtype(DType::F32)
}

/// Returns a tensor that takes part in a graph, unless it is frozen.
fn parameter(shape: &[usize], seed: u64, is_frozen: bool) -> Result<Tensor> {
    let values = noise(shape, seed)?;
    if is_frozen { Ok(values) } else { Ok(Var::from_tensor(&values)?.into_inner()) }
}

/// The tensors of a block.
struct Parameters {
    weight: Tensor,
    bias: Option<Tensor>,
    /// γ and β.
    norm: [Tensor; 2],
    projection: Tensor,
}

impl Drawn {
    /// Returns the number of output channels for an input of `inputs` channels.
    fn outputs(&self, inputs: usize) -> usize {
        if matches!(self.kind, Kind::Depthwise | Kind::Residual) { inputs } else { self.channels }
    }

    /// Returns the window, which keeps the size of the map where the shortcut is the identity.
    fn window(&self) -> Window {
        let side = self.window.kernel[0] | 1;
        if self.kind == Kind::Residual { Window::conv(side).padding(side / 2) } else { self.window }
    }

    /// Returns the parameters of the block for an input of `inputs` channels, and whether a block of this kind takes it.
    fn parameters(&self, inputs: usize, seed: u64) -> Result<Parameters> {
        let (channels, [kh, kw]) = (self.outputs(inputs), self.window().kernel);
        let inputs_of_each = if self.kind == Kind::Depthwise { 1 } else { inputs };
        Ok(Parameters {
            weight: parameter(&[channels, inputs_of_each, kh, kw], seed, self.is_frozen)?,
            bias: self.has_bias.then(|| parameter(&[channels], 100 + seed, false)).transpose()?,
            norm: [parameter(&[channels], 200 + seed, false)?, parameter(&[channels], 300 + seed, false)?],
            projection: parameter(&[channels, inputs, 1, 1], 400 + seed, self.is_frozen)?,
        })
    }

    fn block<'a>(&self, p: &'a Parameters) -> Block<'a> {
        let (weight, bias, window, epilogue) = (&p.weight, p.bias.as_ref(), self.window(), self.epilogue);
        let norm = || ConvBatchNorm::new(weight, window, &p.norm[0], &p.norm[1]).bias(bias);
        match self.kind {
            Kind::Conv => Block::Conv(ConvEpilogue { weight, bias, window, epilogue }),
            Kind::ConvBatchNorm => Block::ConvBatchNorm(vec![norm().epilogue(epilogue)]),
            Kind::Depthwise => Block::ConvBatchNorm(vec![norm().depthwise(true).epilogue(epilogue)]),
            Kind::Residual => Block::Residual(vec![norm()], None),
            Kind::ProjectedResidual => {
                let projection = Projection::new(&p.projection, None, Window::conv(1).stride(window.stride[0]));
                Block::Residual(vec![norm()], Some(projection))
            }
        }
    }
}

fn one_by_one(x: &Tensor, blocks: &[Block]) -> Result<(Tensor, Vec<Tensor>)> {
    let mut statistics = Vec::new();
    let y: Result<_> = blocks.iter().try_fold(x.clone(), |x, block| {
        let (y, of_block) = blocks_train(&x, std::slice::from_ref(block))?;
        statistics.extend(of_block.into_iter().flat_map(|batch| [batch.mean, batch.var]));
        Ok(y)
    });
    Ok((y?, statistics))
}

fn check(batch: usize, channels: usize, drawn: &[Drawn]) -> Result<()> {
    let (mut inputs, mut parameters) = (channels, Vec::new());
    for (seed, block) in (0..).zip(drawn) {
        parameters.push(block.parameters(inputs, seed)?);
        inputs = block.outputs(inputs);
    }
    let x = Var::from_tensor(&noise(&[batch, channels, 25, 22], 50)?)?.into_inner();
    let mut blocks: Vec<_> = drawn.iter().zip(&parameters).map(|(drawn, parameters)| drawn.block(parameters)).collect();
    // Those from the first one on that does not fit its input are left out.
    while blocks_train(&x, &blocks).is_err() {
        blocks.pop();
        if blocks.is_empty() {
            return Ok(());
        }
    }
    let (separate, expected_statistics) = one_by_one(&x, &blocks)?;
    let (together, statistics) = blocks_train(&x, &blocks)?;
    assert!(values(&separate)? == values(&together)?, "the results differ");
    let statistics: Vec<_> = statistics.into_iter().flat_map(|batch| [batch.mean, batch.var]).collect();
    assert_eq!(statistics.len(), expected_statistics.len());
    for (expected, actual) in expected_statistics.iter().zip(&statistics) {
        assert!(values(expected)? == values(actual)?, "the statistics differ");
    }
    let loss = |y: &Tensor| (y * noise(y.dims(), 60)?)?.sum_all();
    let (expected, actual) = (loss(&separate)?.backward()?, loss(&together)?.backward()?);
    let tape = Tape::start();
    let recorded = loss(&blocks_train(&x, &blocks)?.0)?;
    let recorded = tape.backward(&recorded)?;
    let of_block = |p: &Parameters| {
        let Parameters { weight, bias, norm: [gamma, beta], projection } = p;
        [Some(weight), bias.as_ref(), Some(gamma), Some(beta), Some(projection)].map(Option::<&Tensor>::cloned)
    };
    for tensor in parameters.iter().flat_map(of_block).flatten().chain([x]) {
        for actual in [&actual, &recorded] {
            assert_eq!(expected.get(&tensor).is_some(), actual.get(&tensor).is_some(), "{:?}", tensor.dims());
            if let (Some(expected), Some(actual)) = (expected.get(&tensor), actual.get(&tensor)) {
                assert!(values(expected)? == values(actual)?, "the gradients of a tensor {:?} differ", tensor.dims());
            }
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
    fn blocks_together_equal_blocks_one_by_one(
        batch in 1usize..6, channels in 1usize..20, drawn in prop::collection::vec(drawn(), 2..5)
    ) {
        holds(check(batch, channels, &drawn))?;
    }
}

#[test]
fn no_blocks_are_an_error() -> Result<()> {
    let error = blocks_train(&noise(&[1, 1, 4, 4], 0)?, &[]).unwrap_err();
    assert!(error.to_string().contains("there are no blocks"), "{error}");
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
        let of = |gradients: &GradStore| values(gradients.get(variable).unwrap());
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
    assert!(ops::backward(&(loss()?.apply_op1(HasNoGradient)? + loss()?)?).is_err());
    assert!(loss()?.backward()?.get(&weight).is_some());
    assert!(ops::backward(&loss()?)?.get(&weight).is_some());
    Ok(())
}
