//! Results and gradients of all operators on many random shapes: the kernels (f32) against the compositions (f64), and
//! the compositions against the definition of the derivative, by central differences. `cargo test` tries a few; the long
//! form tries as many as the environment variable `OPS_SHAPES` says and prints the worst error of each operator:
//!
//! ```sh
//! OPS_SHAPES=100000 cargo test -p candle-exact --test gradients_at_scale -- --ignored --nocapture
//! ```

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{Random, distinct, evaluate, integers, slopes, values};
use ops::{BatchStatistics, Conv1dConfig, Conv2dConfig, ConvBatchNorm, EmbeddingConv1d, Epilogue, Projection, Window};

type Operator = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// An operator with arguments of random shapes.
struct Case {
    shapes: Vec<Vec<usize>>,
    /// True for arguments that are small whole numbers, on which f32 does not round, so that both sides of a kink are the
    /// same in all types. Differences say nothing about the derivative there.
    whole: bool,
    f: Operator,
}

impl Case {
    /// Returns arguments that f32 holds exactly, in f64.
    fn inputs(&self, seed: u64) -> Result<Vec<Tensor>> {
        let input = |(shape, seed): (&Vec<usize>, u64)| {
            if self.whole {
                return integers(shape, seed)?.to_dtype(DType::F64);
            }
            // Values of the order of 1, however many there are.
            let len = shape.iter().product::<usize>() as f64;
            (distinct(shape, seed)? * (30. / len).min(1.))?.to_dtype(DType::F32)?.to_dtype(DType::F64)
        };
        self.shapes.iter().zip(seed..).map(input).collect()
    }
}

/// Makes a case of distinct values.
fn smooth(shapes: &[&[usize]], f: impl Fn(&[Tensor]) -> Result<Tensor> + 'static) -> Result<Case> {
    Ok(Case { shapes: shapes.iter().map(|shape| shape.to_vec()).collect(), whole: false, f: Box::new(f) })
}

/// Makes a case of small whole numbers.
fn whole(shapes: &[&[usize]], f: impl Fn(&[Tensor]) -> Result<Tensor> + 'static) -> Result<Case> {
    Ok(Case { whole: true, ..smooth(shapes, f)? })
}

/// Draws the numbers of channels that matter to the kernels: below, at and beyond the width of a block.
fn channels(r: &mut Random) -> usize {
    [r.from(1..=5), r.from(6..=12), r.from(13..=20), r.from(30..=36)][[0, 0, 0, 0, 1, 1, 2, 3][r.from(0..=7)]]
}

/// Draws a window, and the size of an input for it.
fn windowed(r: &mut Random) -> (Window, [usize; 2]) {
    let kernel = if r.from(0..=2) == 0 { [3, 3] } else { [r.from(1..=4), r.from(1..=4)] };
    let stride = if r.from(0..=1) == 0 { [1, 1] } else { [r.from(1..=3), r.from(1..=3)] };
    let padding = kernel.map(|kernel| r.from(0..=kernel / 2));
    let size = [0, 1].map(|axis| kernel[axis] + stride[axis] + r.from(0..=5));
    (Window::new(kernel, stride, padding), size)
}

fn convolution(r: &mut Random, epilogue: Epilogue) -> Result<Case> {
    let (window, [h, w]) = windowed(r);
    let mut config: Conv2dConfig = window.into();
    let groups = if r.from(0..=3) == 0 { r.from(2..=3) } else { 1 };
    config.groups = groups;
    if r.from(0..=3) == 0 {
        config.dilation = [r.from(1..=2), r.from(1..=2)];
    }
    let [h, w] = [h * config.dilation[0], w * config.dilation[1]];
    let (inputs, outputs) = (channels(r), channels(r));
    let shapes: [&[usize]; 3] = [
        &[r.from(1..=3), groups * inputs, h, w],
        &[groups * outputs, inputs, window.kernel[0], window.kernel[1]],
        &[groups * outputs],
    ];
    match epilogue {
        Epilogue::None => smooth(&shapes, move |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), &config)),
        // From 32 channels on, the kernels use Winograd's F(4×4, 3×3), whose fractions round.
        _ if window.kernel == [3, 3] && inputs >= 31 => whole(&shapes, move |t| {
            let [x, weight] = off_kinks(&t[0], &t[1], groups)?;
            common::convolve(&x, &weight, Some(&t[2]), config, epilogue)
        }),
        _ => whole(&shapes, move |t| common::convolve(&t[0], &t[1], Some(&t[2]), config, epilogue)),
    }
}

/// Adds to each group of x and of a 3×3 weight a channel that brings the outputs, otherwise whole numbers, off the kinks of
/// ReLU and maximum: it adds to each output of a channel another fraction. Which side of a kink a result falls on that is
/// exactly on it in f64 is then not left to the rounding in f32.
fn off_kinks(x: &Tensor, weight: &Tensor, groups: usize) -> Result<[Tensor; 2]> {
    let (n, c, h, w) = x.dims4()?;
    assert!(h * w < 512, "fractions that are distinct and exact");
    let fractions = Tensor::arange(1u32, (h * w + 1) as u32, x.device())?.to_dtype(x.dtype())?.affine(1. / 512., 0.)?;
    let fractions = fractions.reshape((1, 1, 1, h, w))?.broadcast_as((n, groups, 1, h, w))?;
    let x = Tensor::cat(&[&x.reshape((n, groups, c / groups, h, w))?, &fractions], 2)?;
    let centre = Tensor::ones((weight.dim(0)?, 1, 1, 1), x.dtype(), x.device())?;
    let centre = centre.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
    Ok([x.reshape((n, c + groups, h, w))?, Tensor::cat(&[weight, &centre], 1)?])
}

fn depthwise(r: &mut Random) -> Result<Case> {
    let ((window, [h, w]), c) = (windowed(r), channels(r));
    let shapes: [&[usize]; 3] = [&[r.from(1..=4), c, h, w], &[c, 1, window.kernel[0], window.kernel[1]], &[c]];
    smooth(&shapes, move |t| ops::depthwise_conv2d(&t[0], &t[1], Some(&t[2]), &window))
}

fn conv1d(r: &mut Random) -> Result<Case> {
    let (kernel, stride, padding) = (r.from(1..=5), r.from(1..=3), r.from(0..=2));
    let (inputs, outputs) = (channels(r), channels(r));
    let config = Conv1dConfig::default().stride(stride).padding(padding);
    let shapes: [&[usize]; 2] = [&[r.from(1..=4), inputs, kernel + r.from(0..=20)], &[outputs, inputs, kernel]];
    smooth(&shapes, move |t| ops::conv1d(&t[0], &t[1], None, &config))
}

/// Values are whole, because rounding would decide between maxima that are close.
fn conv1d_max(r: &mut Random) -> Result<Case> {
    let (kernel, stride, padding) = (r.from(1..=5), r.from(1..=3), r.from(0..=6));
    let (inputs, outputs) = (channels(r), channels(r));
    let config = Conv1dConfig::default().stride(stride).padding(padding);
    let shapes: [&[usize]; 3] =
        [&[r.from(1..=4), inputs, kernel + r.from(0..=40)], &[outputs, inputs, kernel], &[outputs]];
    whole(&shapes, move |t| ops::conv1d_max(&t[0], &t[1], Some(&t[2]), &config))
}

/// Draws sequences of ids; with `maximum`, up to the global maximum of normalised outputs.
fn embedded(r: &mut Random, maximum: bool) -> Result<Case> {
    let (kernel, padding) = (r.from(1..=6), [r.from(0..=4), r.from(0..=4)]);
    let (batch, length, vectors, dimensions) = (r.from(2..=4), kernel + r.from(0..=90), r.from(1..=9), r.from(1..=7));
    let ids: Vec<u32> = (0..batch * length).map(|_| r.from(0..=vectors - 1) as u32).collect();
    let ids = Tensor::from_vec(ids, (batch, length), &Device::Cpu)?;
    let (own, filters) = ([batch, vectors, dimensions], channels(r));
    let shapes: [&[usize]; 4] = [&own[r.from(0..=1)..], &[filters, dimensions, kernel], &[filters], &[filters]];
    let conv = move |t: &[Tensor]| {
        let conv = EmbeddingConv1d::new(&ids, &t[0], &t[1]).padding(padding);
        if maximum {
            return Ok(ops::embedding_conv1d_batch_norm_max_train(&conv, None, &t[2], &t[3], 0.1)?.0);
        }
        ops::embedding_conv1d(&conv.bias(Some(&t[2])))
    };
    if maximum { whole(&shapes, conv) } else { smooth(&shapes[..3], conv) }
}

fn normalised(r: &mut Random, residual: bool) -> Result<Case> {
    let ((window, [h, w]), c, outputs) = (windowed(r), channels(r), channels(r));
    let kernel = window.kernel;
    let shapes: [&[usize]; 5] = [
        &[r.from(4..=6), c, h, w],
        &[outputs, c, kernel[0], kernel[1]],
        &[outputs],
        &[outputs],
        &[outputs, c, kernel[0], kernel[1]],
    ];
    let shapes = &shapes[..4 + usize::from(residual)];
    smooth(shapes, move |t| {
        let Some(weight) = t.get(4) else {
            let layer = ConvBatchNorm::new(&t[1], window, &t[2], &t[3]);
            return Ok(ops::conv_batch_norm_train(&t[0], &[layer])?.0);
        };
        // All sums are positive, because rounding could take others over the kink of the ReLU at the end of a block.
        let (beta, weight) = ((&t[3] + 50.)?, (weight * 0.01)?);
        let layer = ConvBatchNorm::new(&t[1], window, &t[2], &beta);
        let projection = Some(Projection::new(&weight, None, window));
        Ok(ops::residual_conv_batch_norm_train(&t[0], &[layer], projection)?.0)
    })
}

fn norm(r: &mut Random, train: bool) -> Result<Case> {
    let c = r.from(1..=9);
    let shapes: [&[usize]; 3] = [&[r.from(4..=9), c, r.from(1..=9), r.from(1..=9)], &[c], &[c]];
    let (mean, var) = (distinct(&[c], 3)?, (distinct(&[c], 4)?.sqr()? + 0.1)?);
    smooth(&shapes, move |t| {
        if train {
            return Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-3, false)?.0);
        }
        let [mean, var] = [&mean, &var].map(|statistic| statistic.to_dtype(t[0].dtype()));
        ops::batch_norm(&t[0], &t[1], &t[2], &BatchStatistics { mean: mean?, var: var? }, 1e-3, false)
    })
}

fn pooling(r: &mut Random, f: impl Fn(&Tensor, &Window) -> Result<Tensor> + 'static) -> Result<Case> {
    let ((window, [h, w]), c) = (windowed(r), r.from(1..=20));
    smooth(&[&[r.from(1..=3), c, h, w]], move |t| f(&t[0], &window))
}

fn adaptive(r: &mut Random, f: fn(&Tensor, [usize; 2]) -> Result<Tensor>) -> Result<Case> {
    let output = [r.from(1..=5), r.from(1..=5)];
    smooth(&[&[r.from(1..=3), r.from(1..=20), r.from(1..=9), r.from(1..=9)]], move |t| f(&t[0], output))
}

fn global(r: &mut Random, f: fn(&Tensor) -> Result<Tensor>) -> Result<Case> {
    smooth(&[&[r.from(1..=3), r.from(1..=20), r.from(1..=9), r.from(1..=9)]], move |t| f(&t[0]))
}

fn sharpened(r: &mut Random, f: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Case> {
    // Few values, so that none is so close to 0, where a logarithm is steep, that a step of the differences is long.
    let shapes: [&[usize]; 2] = [&[r.from(1..=2), r.from(1..=4), r.from(1..=5), r.from(1..=5)], &[1]];
    let parameter = [0.5, 1., 3., 10., 20.][r.from(0..=4)];
    smooth(&shapes, move |t| f(&t[0], &(&t[1] + parameter)?))
}

fn attention(r: &mut Random) -> Result<Case> {
    let features = [r.from(1..=12), r.from(1..=20), r.from(1..=7), r.from(1..=7)];
    let shapes = common::attention_shapes(&features, r.from(1..=20));
    smooth(&shapes.each_ref().map(|shape| &shape[..]), common::attend)
}

fn dense(r: &mut Random) -> Result<Case> {
    let (d, k) = (r.from(1..=70), r.from(1..=40));
    smooth(&[&[r.from(1..=40), d], &[k, d], &[k]], |t| ops::linear(&t[0], &t[1], Some(&t[2])))
}

fn rows(r: &mut Random, f: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<Case> {
    smooth(&[&[r.from(1..=20), r.from(2..=40)]], move |t| f(&t[0]))
}

/// A loss of logits and the class of each row.
fn loss(r: &mut Random, f: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + 'static) -> Result<Case> {
    rows(r, move |logits| {
        let (n, k) = logits.dims2()?;
        f(logits, &Tensor::from_iter((0..n).map(|i| (7 * i % k) as u32), &Device::Cpu)?)?.unsqueeze(0)
    })
}

type Draw = fn(&mut Random) -> Result<Case>;

const OPERATORS: [(&str, Draw); 34] = [
    ("conv2d", |r| convolution(r, Epilogue::None)),
    ("conv2d_relu", |r| convolution(r, Epilogue::Relu)),
    ("conv2d_relu_max_pool", |r| convolution(r, Epilogue::ReluMaxPool)),
    ("depthwise_conv2d", depthwise),
    ("conv1d", conv1d),
    ("conv1d_max", conv1d_max),
    ("embedding_conv1d", |r| embedded(r, false)),
    ("embedding_conv1d_batch_norm_max_train", |r| embedded(r, true)),
    ("conv_batch_norm_train", |r| normalised(r, false)),
    ("residual_conv_batch_norm_train", |r| normalised(r, true)),
    ("batch_norm_train", |r| norm(r, true)),
    ("batch_norm", |r| norm(r, false)),
    ("max_pool2d", |r| pooling(r, ops::max_pool2d)),
    ("avg_pool2d", |r| pooling(r, ops::avg_pool2d)),
    ("max_pool1d", |r| pooling(r, |x, w| ops::max_pool1d(&x.flatten_from(2)?, w.kernel[1], w.stride[1], w.padding[1]))),
    ("avg_pool1d", |r| pooling(r, |x, w| ops::avg_pool1d(&x.flatten_from(2)?, w.kernel[1], w.stride[1], w.padding[1]))),
    ("adaptive_max_pool2d", |r| adaptive(r, ops::adaptive_max_pool2d)),
    ("adaptive_avg_pool2d", |r| adaptive(r, ops::adaptive_avg_pool2d)),
    ("global_max_pool", |r| global(r, ops::global_max_pool)),
    ("global_avg_pool", |r| global(r, ops::global_avg_pool)),
    ("global_avg_max_pool", |r| global(r, ops::global_avg_max_pool)),
    ("gem_pool", |r| sharpened(r, ops::gem_pool)),
    ("lse_pool", |r| sharpened(r, ops::lse_pool)),
    ("spatial_pyramid_pool", |r| {
        let levels = [r.from(1..=4), r.from(1..=4)];
        let size = [r.from(1..=3), r.from(1..=20), r.from(1..=9), r.from(1..=9)];
        smooth(&[&size], move |t| ops::spatial_pyramid_pool(&t[0], &levels))
    }),
    ("gated_attention_pool", attention),
    ("linear", dense),
    ("linear_relu", |_| whole(&[&[9, 20], &[7, 20], &[7]], |t| ops::linear_relu(&t[0], &t[1], Some(&t[2])))),
    ("relu", |r| rows(r, ops::relu)),
    ("add_relu", |_| whole(&[&[9, 20], &[9, 20]], |t| ops::add_relu(&t[0], &t[1]))),
    ("elu", |r| rows(r, |x| ops::elu(x, 0.7))),
    ("softmax", |r| rows(r, ops::softmax)),
    ("cross_entropy", |r| loss(r, ops::cross_entropy)),
    ("cross_entropy_smoothed", |r| loss(r, |x, t| ops::cross_entropy_smoothed(x, t, 0.1))),
    ("bce_with_logits", |r| {
        rows(r, |x| ops::bce_with_logits(x, &x.detach().gt(0.)?.to_dtype(x.dtype())?)?.unsqueeze(0))
    }),
];

/// The worst errors of an operator, relative to the largest value of a tensor.
#[derive(Default, Clone, Copy)]
struct Worst {
    shapes: usize,
    /// The worst relative error of a result in f32.
    result: f64,
    /// The worst relative error of a gradient in f32.
    gradient: f64,
    /// The worst relative error of a slope that follows from the gradients in f64.
    slope: f64,
}

/// Returns the largest distance, relative to the largest value and to what is summed to it.
fn distance(actual: &Tensor, expected: &Tensor, least: f64) -> Result<f64> {
    assert_eq!(actual.dims(), expected.dims());
    let (actual, expected) = (values(actual)?, values(expected)?);
    let scale = expected.iter().fold(least, |scale, v| scale.max(v.abs()));
    let distances = actual.iter().zip(&expected).map(|(a, e)| if a.is_nan() { f64::INFINITY } else { (a - e).abs() });
    Ok(distances.fold(0., f64::max) / scale)
}

impl Worst {
    /// Tries one case.
    fn update(&mut self, name: &str, case: &Case, seed: u64) -> Result<()> {
        let inputs = case.inputs(seed)?;
        let run = |dtype: DType| {
            let inputs = inputs.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
            evaluate(&inputs, |y| integers(y.dims(), seed)?.to_dtype(dtype), &case.f)
        };
        let ((y, gradients), (expected_y, expected)) = (run(DType::F32)?, run(DType::F64)?);
        self.shapes += 1;
        self.result = self.result.max(distance(&y, &expected_y, f64::MIN_POSITIVE)?);
        // The gradients of an input that is normalised, or of the parameter of a smooth maximum, cancel where there are few
        // values, in any type, and the bias of attention scores changes no attention.
        let smooth_maxima = ["gem_pool", "lse_pool", "softmax", "gated_attention_pool"];
        let cancels = name.contains("batch_norm") || smooth_maxima.contains(&name);
        let least = if cancels { 1. } else { f64::MIN_POSITIVE };
        for (gradient, expected) in gradients.iter().zip(&expected) {
            self.gradient = self.gradient.max(distance(gradient, expected, least)?);
        }
        if !case.whole {
            let upstream = |y: &Tensor| integers(y.dims(), seed)?.to_dtype(DType::F64);
            if let Some([slope, follows]) = slopes(&inputs, &expected, seed, upstream, &case.f)? {
                self.slope = self.slope.max((slope - follows).abs() / (1. + slope.abs()));
            }
        }
        Ok(())
    }
}

/// Tries this number of shapes over all operators in turn, and fails if an error is more than rounding explains.
fn try_shapes(count: usize) -> Result<[Worst; OPERATORS.len()]> {
    let mut all = [Worst::default(); OPERATORS.len()];
    for i in 0..count {
        let (name, draw) = OPERATORS[i % OPERATORS.len()];
        let seed = i as u64;
        let worst = &mut all[i % OPERATORS.len()];
        worst.update(name, &draw(&mut Random(seed))?, seed)?;
        let Worst { result, gradient, slope, .. } = *worst;
        assert!(
            result < 1e-4 && gradient < 1e-4 && slope < 1e-4,
            "{name}, case {i}: {result:e} {gradient:e} {slope:e}"
        );
    }
    Ok(all)
}

#[test]
fn all_operators_have_the_results_and_gradients_of_their_definitions() -> Result<()> {
    try_shapes(20 * OPERATORS.len()).map(|_| ())
}

#[test]
#[ignore = "the long form, for minutes; OPS_SHAPES says how many shapes it tries"]
fn all_operators_at_scale() -> Result<()> {
    let count = std::env::var("OPS_SHAPES").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let all = try_shapes(count)?;
    eprintln!("{count} shapes on {}; worst relative errors:", ops::instruction_set());
    eprintln!("{:32}{:>8}{:>12}{:>12}{:>12}", "operator", "shapes", "result", "gradient", "slope");
    for ((name, _), Worst { shapes, result, gradient, slope }) in OPERATORS.iter().zip(all) {
        eprintln!("{name:32}{shapes:8}{result:12.1e}{gradient:12.1e}{slope:12.1e}");
    }
    Ok(())
}
