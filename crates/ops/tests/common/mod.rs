//! Shared by the tests: an operator's result and gradients, comparisons, and seeded values.

#![allow(dead_code)] // Each test file uses some of it.

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, Var, bail};
use ops::{Epilogue, GatedAttention};
use proptest::test_runner::TestCaseError;

/// Pools features by gated attention with the parameters V, U, their biases, w and its bias, which follow the features.
pub fn attend(t: &[Tensor]) -> Result<Tensor> {
    let [xs, v, u, v_bias, u_bias, w, w_bias] = t else { unreachable!("seven tensors") };
    ops::gated_attention_pool(xs, &GatedAttention { v, v_bias, u, u_bias, w, w_bias })
}

/// Returns the shapes of the arguments of [`attend`] for features (N, C, …).
pub fn attention_shapes(features: &[usize], hidden: usize) -> [Vec<usize>; 7] {
    let matrix = vec![hidden, features[1]];
    [features.to_vec(), matrix.clone(), matrix, vec![hidden], vec![hidden], vec![1, hidden], vec![1]]
}

/// Computes `conv2d` with the given epilogue.
pub fn convolve(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: impl Into<ops::Conv2dConfig>,
    epilogue: Epilogue,
) -> Result<Tensor> {
    let convolve = match epilogue {
        Epilogue::None => ops::conv2d,
        Epilogue::Relu => ops::conv2d_relu,
        Epilogue::ReluMaxPool => ops::conv2d_relu_max_pool,
        other => unreachable!("no test for {other:?}"),
    };
    convolve(xs, weight, bias, &config.into())
}

/// Makes an error of candle a failed case of a property test.
pub fn holds(result: Result<()>) -> std::result::Result<(), TestCaseError> {
    holds_value(result)
}

/// Returns the value, or makes an error of candle a failed case of a property test.
pub fn holds_value<T>(result: Result<T>) -> std::result::Result<T, TestCaseError> {
    result.map_err(|error| TestCaseError::fail(error.to_string()))
}

/// Returns the result of `f` and the gradients of its inputs, given the gradient that `upstream` returns for the
/// result.
pub fn evaluate(
    inputs: &[Tensor],
    upstream: impl Fn(&Tensor) -> Result<Tensor>,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<(Tensor, Vec<Tensor>)> {
    let inputs = inputs.iter().map(|t| Ok(Var::from_tensor(t)?.into_inner())).collect::<Result<Vec<_>>>()?;
    let y = f(&inputs)?;
    let mut gradients = (&y * upstream(&y)?)?.sum_all()?.backward()?;
    let of = |t: &Tensor| gradients.remove(t).ok_or_else(|| candle_core::Error::msg("an input without a gradient"));
    let gradients = inputs.iter().map(of).collect::<Result<_>>()?;
    Ok((y.detach(), gradients))
}

/// Returns the gradient of `Σ f(x)`.
pub fn gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (_, mut gradients) = evaluate(std::slice::from_ref(x), |y| y.ones_like(), |x| f(&x[0]))?;
    Ok(gradients.remove(0))
}

/// Returns the slope of `Σ f · dy` in f64 along a random direction of all inputs, by central differences, and the slope
/// that follows from the gradients; `None` if there is a kink within a step, where a maximum changes from one value to another
/// and the slopes on both sides differ.
pub fn slopes(
    inputs: &[Tensor],
    gradients: &[Tensor],
    seed: u64,
    upstream: impl Fn(&Tensor) -> Result<Tensor>,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Option<[f64; 2]>> {
    // A smooth function's slopes on both sides differ by its curvature times this, far less than at a kink.
    const STEP: f64 = 1e-6;
    const KINK: f64 = 1e-2;
    let mut moved = [Vec::new(), Vec::new()];
    let mut expected = 0.;
    for (i, (input, gradient)) in inputs.iter().zip(gradients).enumerate() {
        let direction = integers(input.dims(), seed + 10 + i as u64)?.to_dtype(DType::F64)?;
        expected += (gradient * &direction)?.sum_all()?.to_scalar::<f64>()?;
        moved[0].push((input - (&direction * STEP)?)?);
        moved[1].push((input + (&direction * STEP)?)?);
    }
    let value = |inputs: &[Tensor]| {
        let y = f(inputs)?;
        (&y * upstream(&y)?)?.sum_all()?.to_scalar::<f64>()
    };
    let [before, here, after] = [value(&moved[0])?, value(inputs)?, value(&moved[1])?];
    let slope = (after - before) / (2. * STEP);
    let bend = (after - here) / STEP - (here - before) / STEP;
    Ok((bend.abs() <= KINK * (1. + slope.abs())).then_some([slope, expected]))
}

/// Returns all values in row-major order.
pub fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// Fails unless both tensors have the same shape and the same values up to `tolerance` times the largest value (at
/// least 1). NaN equals NaN.
pub fn close(what: &str, actual: &Tensor, expected: &Tensor, tolerance: f64) -> Result<()> {
    if actual.dims() != expected.dims() {
        bail!("{what}: shape {:?} instead of {:?}", actual.dims(), expected.dims())
    }
    let (actual, expected) = (values(actual)?, values(expected)?);
    let scale = expected.iter().filter(|v| v.is_finite()).fold(1f64, |scale, v| scale.max(v.abs()));
    for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
        let same = a == e || (a.is_nan() && e.is_nan()) || (a - e).abs() <= tolerance * scale;
        if !same {
            bail!("{what}: {a} instead of {e} at {i}")
        }
    }
    Ok(())
}

/// Random numbers from a seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// Returns a number from a range.
    pub fn from(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        range.start() + (self.next() % (range.end() - range.start() + 1) as u64) as usize
    }

    /// Returns any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Returns whole numbers from −2 to 2 as f32: their sums and products are exact, many are equal, and many are 0.
pub fn integers(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut random = Random(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| (random.next() % 5) as f32 - 2.).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// Returns f64 values in random order that keep a distance of 0.1 from each other and of 0.025 from 0, so that no
/// operator has a kink near them.
pub fn distinct(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut random = Random(seed);
    let len: usize = shape.iter().product();
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_cached_key(|_| random.next());
    let values: Vec<f64> = order.iter().map(|&i| (i as f64 - (len / 2) as f64 + 0.25) * 0.1).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// The identity, whose backward pass is an error.
pub struct HasNoGradient;

impl CustomOp1 for HasNoGradient {
    fn name(&self) -> &'static str {
        "has-no-gradient"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((storage.clone(), layout.shape().clone()))
    }
}
