//! Kernels, strides, paddings and dilations from all of `usize`: an operator gives the result of its definition or an
//! error. It does not panic, and reads no memory outside its tensors.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{close, integers, values};
use ops::prepared::{self, Pool, Prepared};
use ops::{Conv2dConfig, ConvBatchNorm, Epilogue, Window};
use proptest::prelude::*;

/// Results with more values than this, padding included, are not computed here: they would only take time and memory.
const MOST_VALUES: u128 = 1 << 18;

/// Sizes that no memory holds.
const TOO_MANY_VALUES: u128 = 1 << 44;

/// Any number, with those that matter often: small ones, and those at which sums and products wrap.
fn number() -> impl Strategy<Value = usize> {
    let power = (0u32..usize::BITS, 0usize..=20).prop_map(|(bit, more)| (1usize << bit).wrapping_add(more));
    prop_oneof![
        4 => 0usize..=4,
        1 => any::<usize>(),
        2 => (0usize..=20).prop_map(|less| usize::MAX - less),
        1 => (0usize..=20).prop_map(|less| (usize::MAX / 2).wrapping_add(10) - less),
        1 => power,
    ]
}

fn two_numbers() -> impl Strategy<Value = [usize; 2]> {
    [number(), number()]
}

/// The sizes of a windowed operator on one image of one channel.
#[derive(Debug, Clone, Copy)]
struct Case {
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

impl Case {
    /// Returns the size of the output by its definition, if there is one.
    fn output(&self) -> Option<[u128; 2]> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let [kernel, stride, padding, dilation] =
                [self.kernel, self.stride, self.padding, self.dilation].map(|values| values[axis] as u128);
            let padded = self.input[axis] as u128 + 2 * padding;
            let dilated = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
            output[axis] = padded.checked_sub(dilated)?.checked_div(stride)? + 1;
        }
        (!self.dilation.contains(&0)).then_some(output)
    }

    /// Returns the largest number of values that the operator could have to hold.
    fn values(&self) -> u128 {
        let padded = [0, 1].map(|axis| self.input[axis] as u128 + 2 * self.padding[axis] as u128);
        padded[0].saturating_mul(padded[1])
    }

    /// Calls `f` with each output position, and the row or column that each value of the kernel reads, if it is inside.
    fn each(&self, output: [u128; 2], mut f: impl FnMut(usize, usize, Option<usize>)) {
        let source = |axis: usize, o: u128, k: usize| {
            let read = o * self.stride[axis] as u128 + k as u128 * self.dilation[axis] as u128;
            read.checked_sub(self.padding[axis] as u128).filter(|&read| read < self.input[axis] as u128)
        };
        for o in 0..output[0] * output[1] {
            for k in 0..self.kernel[0] * self.kernel[1] {
                let (row, column) =
                    (source(0, o / output[1], k / self.kernel[1]), source(1, o % output[1], k % self.kernel[1]));
                let read = row.zip(column).map(|(row, column)| row as usize * self.input[1] + column as usize);
                f(o as usize, k, read);
            }
        }
    }

    fn window(&self) -> Window {
        Window::new(self.kernel, self.stride, self.padding)
    }
}

/// Fails unless the result is the one expected, or an error where the definition has no result or one that is too large.
fn check(what: &str, case: &Case, result: Result<Tensor>, expected: Option<&[f64]>) -> Result<()> {
    match (result, expected) {
        (Ok(y), Some(expected)) => {
            let expected = Tensor::from_slice(expected, expected.len(), &Device::Cpu)?;
            close(&format!("{what} of {case:?}"), &y.flatten_all()?, &expected, 1e-6)
        }
        (Ok(y), None) => candle_core::bail!("{what} of {case:?} gave {:?}", y.dims()),
        (Err(error), Some(_)) => candle_core::bail!("{what} of {case:?}: {error}"),
        (Err(_), None) => Ok(()),
    }
}

/// Checks the convolutions, which take a kernel as large as their weights.
fn check_convolutions(case: &Case, channels: usize) -> Result<()> {
    let output = case.output();
    if case.values() > MOST_VALUES && case.values() < TOO_MANY_VALUES {
        return Ok(());
    }
    let (x, weight) = (
        integers(&[1, 1, case.input[0], case.input[1]], 1)?,
        integers(&[channels, 1, case.kernel[0], case.kernel[1]], 2)?,
    );
    let expected = output.filter(|_| case.values() <= MOST_VALUES).map(|output| {
        let (x, weight) = (values(&x)?, values(&weight)?);
        let (positions, taps) = ((output[0] * output[1]) as usize, case.kernel[0] * case.kernel[1]);
        let mut y = vec![0.; channels * positions];
        for channel in 0..channels {
            case.each(output, |o, k, read| {
                y[channel * positions + o] += read.map_or(0., |read| x[read] * weight[channel * taps + k]);
            });
        }
        Ok::<_, candle_core::Error>(y)
    });
    let expected = expected.transpose()?;
    let mut config = Conv2dConfig::default();
    (config.stride, config.padding, config.dilation) = (case.stride, case.padding, case.dilation);
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let (x, weight) = (x.to_dtype(dtype)?, weight.to_dtype(dtype)?);
        check("conv2d", case, ops::conv2d(&x, &weight, None, &config), expected.as_deref())?;
        if case.dilation != [1, 1] {
            continue;
        }
        let window = case.window();
        check("the composed conv2d", case, ops::composed::conv2d(&x, &weight, None, &window), expected.as_deref())?;
        if channels == 1 {
            let y = ops::depthwise_conv2d(&x, &weight, None, &window);
            check("depthwise_conv2d", case, y, expected.as_deref())?;
        }
        let gamma = Tensor::ones(channels, dtype, &Device::Cpu)?;
        let layer = ConvBatchNorm::new(&weight, window, &gamma, &gamma);
        let y = ops::conv_batch_norm_train(&x, &[layer]);
        assert!(expected.is_some() || y.is_err(), "conv_batch_norm_train of {case:?}");
    }
    if case.dilation == [1, 1] {
        let input = [1, case.input[0], case.input[1]];
        let conv = prepared::Conv2d::new(&weight, None, &case.window(), Epilogue::None, input);
        check("the prepared conv2d", case, conv.and_then(|conv| run(&conv, &x)), expected.as_deref())?;
    }
    Ok(())
}

/// Runs a prepared operator on one image.
fn run(operator: &dyn Prepared, x: &Tensor) -> Result<Tensor> {
    let mut y = vec![f32::NAN; operator.sizes()[1]];
    operator.run(&x.flatten_all()?.to_vec1()?, &mut y)?;
    let len = y.len();
    Tensor::from_vec(y, len, &Device::Cpu)
}

/// Checks the poolings. Their kernels need no memory, so that much larger ones are possible than for the compositions.
fn check_pooling(case: &Case) -> Result<()> {
    let x = integers(&[1, 1, case.input[0], case.input[1]], 1)?;
    let too_much_padding = [0, 1].iter().any(|&axis| case.padding[axis] > case.kernel[axis] / 2);
    let output = case.output().filter(|_| !too_much_padding);
    if output.is_some_and(|output| (MOST_VALUES..TOO_MANY_VALUES).contains(&output[0].saturating_mul(output[1]))) {
        return Ok(());
    }
    for (name, result) in [
        ("max_pool2d", ops::max_pool2d(&x, &case.window())),
        ("the prepared max_pool2d", {
            Pool::max(&case.window(), [1, case.input[0], case.input[1]]).and_then(|pool| run(&pool, &x))
        }),
        ("avg_pool2d", ops::avg_pool2d(&x, &case.window())),
    ] {
        match (&result, output) {
            (Ok(y), Some([rows, columns])) => assert_eq!(y.elem_count() as u128, rows * columns, "{name} of {case:?}"),
            (Ok(y), None) => panic!("{name} of {case:?} gave {:?}", y.dims()),
            (Err(_), _) => {}
        }
    }
    let small = case.values() <= MOST_VALUES && case.kernel.iter().all(|&kernel| kernel <= 8);
    let Some(output) = output.filter(|_| small) else { return Ok(()) };
    let (input, taps) = (values(&x)?, (case.kernel[0] * case.kernel[1]) as f64);
    let mut largest = vec![f64::NEG_INFINITY; (output[0] * output[1]) as usize];
    let mut average = vec![0.; largest.len()];
    case.each(output, |o, _, read| {
        largest[o] = read.map_or(largest[o], |read| input[read].max(largest[o]));
        average[o] += read.map_or(0., |read| input[read] / taps);
    });
    for dtype in [DType::F32, DType::F64] {
        let x = x.to_dtype(dtype)?;
        check("max_pool2d", case, ops::max_pool2d(&x, &case.window()), Some(&largest))?;
        check("avg_pool2d", case, ops::avg_pool2d(&x, &case.window()), Some(&average))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_take_any_stride_padding_and_dilation(
        input in [1usize..=6, 1usize..=6],
        kernel in [1usize..=3, 1usize..=3],
        stride in two_numbers(),
        padding in two_numbers(),
        dilation in prop_oneof![2 => Just([1; 2]), 1 => two_numbers()],
        channels in prop_oneof![Just(1usize), Just(16)],
    ) {
        common::holds(check_convolutions(&Case { input, kernel, stride, padding, dilation }, channels))?;
    }

    #[test]
    fn pooling_takes_any_kernel_stride_and_padding(
        input in [1usize..=6, 1usize..=6],
        kernel in two_numbers(),
        stride in two_numbers(),
        padding in two_numbers(),
        half: bool,
    ) {
        // Half of the time a padding that is allowed.
        let padding = if half { [0, 1].map(|axis| padding[axis].min(kernel[axis] / 2)) } else { padding };
        common::holds(check_pooling(&Case { input, kernel, stride, padding, dilation: [1; 2] }))?;
    }

    #[test]
    fn sizes_of_outputs_are_right_or_errors(
        input in two_numbers(), kernel in two_numbers(), stride in two_numbers(), padding in two_numbers(),
        dilation in two_numbers(),
    ) {
        let case = Case { input, kernel, stride, padding, dilation };
        let (expected, given) = (case.output(), Conv2dConfig::default());
        let config = { let mut c = given; (c.stride, c.padding, c.dilation) = (stride, padding, dilation); c };
        if let Ok(output) = config.output_size(kernel, input) {
            prop_assert_eq!(Some(output.map(|n| n as u128)), expected, "{:?}", case);
        } else if let Some(output) = expected {
            let representable = case.padding.iter().zip(input).all(|(&p, n)| p < usize::MAX / 8 && n < usize::MAX / 8);
            prop_assert!(!representable || input.contains(&0), "{:?} has the output {:?}", case, output);
        }
    }

    #[test]
    fn prepared_and_adaptive_pooling_take_any_size(sizes in [number(), number(), number()], output in two_numbers()) {
        let too_many = |values: &[usize]| {
            let count = values.iter().fold(1u128, |product, &n| product.saturating_mul(n.max(1) as u128));
            !(MOST_VALUES..TOO_MANY_VALUES).contains(&count)
        };
        if too_many(&sizes) {
            // A pooling of more values than memory holds can be prepared: it needs inputs of that size to run.
            let result = Pool::global_avg(sizes).map(|pool| pool.sizes());
            prop_assert!(result.is_err() || result.is_ok_and(|[_, outputs]| outputs == sizes[0]));
            let result = Pool::max(&Window::pool(2).stride(1), sizes).map(|pool| pool.sizes()[1] as u128);
            let output = |size: usize| size as u128 - 1;
            prop_assert!(
                result.is_err() || result.is_ok_and(|n| n == sizes[0] as u128 * output(sizes[1]) * output(sizes[2]))
            );
        }
        if too_many(&output) {
            let x = Tensor::ones((1, 2, 3, 5), DType::F32, &Device::Cpu)?;
            for adaptive in [ops::adaptive_avg_pool2d, ops::adaptive_max_pool2d] {
                if let Ok(y) = adaptive(&x, output) {
                    prop_assert_eq!(y.dims(), [1, 2, output[0], output[1]]);
                    prop_assert!(values(&y)?.iter().all(|&v| (v - 1.).abs() < 1e-6));
                }
            }
        }
    }
}

#[test]
fn sizes_that_wrap_to_small_ones_are_errors() -> Result<()> {
    let max = usize::MAX;
    let (x, weight) = (integers(&[1, 1, 4, 1], 1)?, integers(&[16, 1, 2, 1], 2)?);
    let window = Window::new([2, 1], [max - 17, max], [max - 9, max]);
    assert!(ops::conv2d(&x, &weight, None, &window.into()).is_err());
    assert!(ops::composed::conv2d(&x, &weight, None, &window).is_err());
    assert!(ops::max_pool2d(&x, &Window::new([max, 1], [1, 1], [max / 2 + 1, 0])).is_err());
    let config = Conv2dConfig::default().groups(max);
    assert!(ops::conv2d(&x, &weight, None, &config).is_err());
    Ok(())
}

#[test]
fn a_tensor_whose_number_of_values_wraps_is_an_error() -> Result<()> {
    let one = Tensor::ones((1, 1, 1), DType::F32, &Device::Cpu)?;
    // Three times this number is 2^64 + 2.
    let Ok(wide) = one.broadcast_as((3, 0x5555_5555_5555_5556, 1)) else { return Ok(()) };
    assert!(ops::relu(&wide).is_err());
    assert!(ops::global_avg_pool(&wide).is_err());
    Ok(())
}
