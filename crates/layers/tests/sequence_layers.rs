//! Layers over sequences against their definitions: 1-d convolution and pooling, ELU, spatial dropout.

mod common;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarMap;
use common::{TRAIN, assert_gradient_is_right, assert_layer_is_right, builder, input, max_difference};
use layers::{AvgPool1d, Conv1d, Conv1dOptions, Elu, Layer, MaxPool1d, Mode, Pool1dOptions, SpatialDropout};

/// The definition: every output sums products over channels and taps.
fn naive_conv1d(x: &[Vec<f64>], weight: &[Vec<Vec<f64>>], bias: &[f64], options: Conv1dOptions) -> Vec<Vec<f64>> {
    let (length, [left, right]) = (x[0].len(), options.padding);
    let positions = (length + left + right - options.kernel) / options.stride + 1;
    let value = |channel: &Vec<f64>, i: usize| i.checked_sub(left).and_then(|i| channel.get(i)).copied().unwrap_or(0.);
    let output = |weight: &Vec<Vec<f64>>, bias: f64, o: usize| {
        let of_channel = |(channel, taps): (&Vec<f64>, &Vec<f64>)| -> f64 {
            taps.iter().enumerate().map(|(k, tap)| tap * value(channel, o * options.stride + k)).sum()
        };
        bias + x.iter().zip(weight).map(of_channel).sum::<f64>()
    };
    weight.iter().zip(bias).map(|(w, &b)| (0..positions).map(|o| output(w, b, o)).collect()).collect()
}

#[test]
fn a_1d_convolution_is_its_definition_with_any_stride_and_padding() -> Result<()> {
    let same = Conv1dOptions::same;
    let options = [
        Conv1dOptions::new(4),
        Conv1dOptions::new(3).stride(2).padding(1),
        same(5),
        same(10),
        same(20).without_bias(),
        same(4).stride(3),
        same(1),
    ];
    for options in options {
        let variables = VarMap::new();
        let conv = Conv1d::new(3, 2, options, builder(&variables, DType::F64))?;
        let xs = input(&[2, 3, 11]);
        let ys = conv.forward(&xs, TRAIN)?;
        let bias = conv.bias().map_or(Ok(vec![0.; 2]), |bias| bias.to_vec1::<f64>())?;
        for (x, y) in xs.to_vec3::<f64>()?.iter().zip(ys.to_vec3::<f64>()?) {
            let expected = naive_conv1d(x, &conv.weight().to_vec3()?, &bias, options);
            let difference = |(a, b): (&f64, &f64)| (a - b).abs();
            let differences = y.iter().flatten().zip(expected.iter().flatten()).map(difference);
            assert!(differences.fold(0., f64::max) < 1e-9, "{options:?}");
            assert_eq!((y.len(), y[0].len()), (expected.len(), expected[0].len()), "{options:?}");
        }
        assert_eq!(conv.describe(&[3, 11])?.output, ys.dims()[1..], "{options:?}");
        for variable in variables.all_vars() {
            assert_gradient_is_right("1-d convolution", &variable, || conv.forward(&xs, TRAIN))?;
        }
        assert_layer_is_right_with_parameters(options)?;
    }
    Ok(())
}

/// Compares the CPU's kernels in f32 with the composition in f64.
fn assert_layer_is_right_with_parameters(options: Conv1dOptions) -> Result<()> {
    let variables = VarMap::new();
    let conv = Conv1d::new(3, 2, options, builder(&variables, DType::F32))?;
    let double = VarMap::new();
    let other = Conv1d::new(3, 2, options, builder(&double, DType::F64))?;
    for (name, variable) in variables.data().lock().unwrap().iter() {
        double.data().lock().unwrap()[name].set(&variable.to_dtype(DType::F64)?)?;
    }
    let xs = input(&[2, 3, 11]);
    let single = conv.forward(&xs.to_dtype(DType::F32)?, TRAIN)?;
    assert!(max_difference(&single, &other.forward(&xs, TRAIN)?)? < 1e-5, "{options:?}");
    Ok(())
}

#[test]
fn same_padding_keeps_the_length_and_puts_the_odd_zero_behind() -> Result<()> {
    for (kernel, padding) in [(1, [0, 0]), (10, [4, 5]), (15, [7, 7]), (20, [9, 10]), (30, [14, 15])] {
        let options = Conv1dOptions::same(kernel);
        assert_eq!(options.padding, padding);
        let conv = Conv1d::new(2, 3, options, builder(&VarMap::new(), DType::F32))?;
        let description = conv.describe(&[2, 12])?;
        assert_eq!(description.output, [3, 12]);
        let field = description.receptive_field.expect("a convolution keeps positions")[0];
        assert_eq!((field.size, field.start), (kernel, (kernel as f64 - 1.) / 2. - padding[0] as f64));
    }
    let kind = |options| Conv1d::new(2, 3, options, builder(&VarMap::new(), DType::F32))?.describe(&[2, 12]);
    assert_eq!(kind(Conv1dOptions::new(3))?.kind, "Conv1d(2, 3, 3)");
    assert_eq!(kind(Conv1dOptions::new(3).stride(2).padding(1))?.kind, "Conv1d(2, 3, 3, stride 2, padding 1)");
    assert_eq!(kind(Conv1dOptions::same(10))?.kind, "Conv1d(2, 3, 10, padding 4+5)");
    Ok(())
}

#[test]
fn elu_has_the_right_gradient_also_at_zero_and_does_not_overflow() -> Result<()> {
    for alpha in [1., 0.5, 0.] {
        assert_layer_is_right("ELU", &Elu::new(alpha)?, &[2, 3, 7])?;
    }
    let extremes = [f64::NEG_INFINITY, -1e30, -100., -1e-6, 0., 1e-6, 100., 1e30, f64::INFINITY];
    for dtype in [DType::F32, DType::F64] {
        let xs = Var::from_tensor(&Tensor::new(&extremes, &Device::Cpu)?.to_dtype(dtype)?)?;
        let ys = Elu::new(0.5)?.forward(&xs, TRAIN)?;
        let gradients = ys.sum_all()?.backward()?;
        let [ys, gradient] = [&ys, gradients.get(&xs).expect("a gradient")].map(|t| t.to_dtype(DType::F64)?.to_vec1());
        let (ys, gradient): (Vec<f64>, Vec<f64>) = (ys?, gradient?);
        let expected = [-0.5, -0.5, -0.5, -5e-7, 0., 1e-6, 100., 1e30, f64::INFINITY];
        assert!(ys.iter().zip(expected).all(|(y, e)| *y == e || (y / e - 1.).abs() < 1e-6), "{ys:?}");
        let expected = [0., 0., 0., 0.5, 0.5, 1., 1., 1., 1.];
        assert!(gradient.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-6), "{gradient:?}");
    }
    let nan = Elu::default().forward(&Tensor::new(&[f32::NAN], &Device::Cpu)?, Mode::Eval)?;
    assert!(nan.to_vec1::<f32>()?[0].is_nan());
    let error = Elu::new(-1.).unwrap_err().to_string();
    assert!(error.contains("-1") && error.contains("not negative"), "{error}");
    Ok(())
}

#[test]
fn pooling_over_one_axis_is_its_definition() -> Result<()> {
    let options = [Pool1dOptions::new(2), Pool1dOptions::new(3).stride(2).padding(1), Pool1dOptions::new(4).stride(1)];
    for options in options {
        let (max, avg) = (MaxPool1d(options), AvgPool1d(options));
        assert_layer_is_right("max pool", &max, &[2, 3, 11])?;
        assert_layer_is_right("average pool", &avg, &[2, 3, 11])?;
        let xs = input(&[1, 1, 11]);
        let x = xs.flatten_all()?.to_vec1::<f64>()?;
        let [maxima, averages] = [max.forward(&xs, TRAIN)?, avg.forward(&xs, TRAIN)?].map(|ys| ys.flatten_all());
        let (maxima, averages) = (maxima?.to_vec1::<f64>()?, averages?.to_vec1::<f64>()?);
        for o in 0..maxima.len() {
            let seen = (0..options.kernel).filter_map(|k| (o * options.stride + k).checked_sub(options.padding));
            let seen: Vec<f64> = seen.filter_map(|i| x.get(i).copied()).collect();
            assert_eq!(maxima[o], seen.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            assert!((averages[o] - seen.iter().sum::<f64>() / options.kernel as f64).abs() < 1e-12);
        }
    }
    assert_eq!(MaxPool1d(Pool1dOptions::new(2)).describe(&[3, 11])?.kind, "MaxPool1d(2, stride 2)");
    let error = MaxPool1d(Pool1dOptions::new(2)).describe(&[3, 11, 2]).unwrap_err().to_string();
    assert!(error.contains("MaxPool1d") && error.contains("[3, 11, 2]") && error.contains("(C, L)"), "{error}");
    Ok(())
}

#[test]
fn spatial_dropout_drops_whole_channels_and_keeps_the_mean() -> Result<()> {
    let dropout = SpatialDropout::new(0.3, "a")?;
    let xs = Tensor::ones((100, 200, 5), DType::F32, &Device::Cpu)?;
    let ys = dropout.forward(&xs, TRAIN)?;
    let channels: Vec<Vec<f32>> = ys.flatten(0, 1)?.to_vec2()?;
    assert!(channels.iter().all(|channel| channel.iter().all(|value| *value == channel[0])));
    let dropped = channels.iter().filter(|channel| channel[0] == 0.).count() as f64 / 2e4;
    assert!((dropped - 0.3).abs() < 0.02, "{dropped}");
    assert!((ys.mean_all()?.to_scalar::<f32>()? - 1.).abs() < 0.03);
    let again = dropout.forward(&xs, TRAIN)?;
    assert_eq!(max_difference(&ys, &again)?, 0., "a pure function of seed, step and path");
    let next = dropout.forward(&xs, Mode::Train { seed: 1, step: 1 })?;
    assert!(max_difference(&ys, &next)? > 0.);
    assert_eq!(max_difference(&dropout.forward(&xs, Mode::Eval)?, &xs)?, 0.);
    assert_layer_is_right("spatial dropout", &dropout, &[2, 3, 7])?;
    assert!(SpatialDropout::new(1., "a").is_err());
    Ok(())
}
