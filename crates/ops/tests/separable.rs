//! Compares the training of depthwise separable convolutions with batch normalisation, which share feature maps in a layout
//! of their own, with the composition of candle's operators in f64.

mod common;

use candle_core::{DType, Result, Tensor};
use common::{Random, close, distinct, evaluate, integers};
use ops::{BatchStatistics, ConvBatchNorm, Epilogue, Window};

/// A depthwise and a 1x1 convolution.
#[derive(Debug, Clone, Copy)]
struct Pair {
    window: Window,
    outputs: usize,
    /// Which of the two have a ReLU.
    relu: [bool; 2],
}

/// A batch (N, C, H, W) and the pairs that it passes.
#[derive(Debug)]
struct Case {
    input: [usize; 4],
    pairs: Vec<Pair>,
    seed: u64,
}

impl Case {
    /// Returns a random case without ReLU: at its kink, gradients in f32 and f64 would differ.
    fn random(seed: u64) -> Result<Self> {
        let mut r = Random(seed);
        let input = [r.from(1..=9), r.from(1..=40), r.from(3..=14), r.from(3..=14)];
        let (mut size, mut pairs) = ([input[2], input[3]], Vec::new());
        for _ in 0..r.from(1..=3) {
            let kernel = [0, 1].map(|axis| r.from(1..=4.min(size[axis])));
            let window = Window::new(kernel, [r.from(1..=3), r.from(1..=3)], [r.from(0..=3), r.from(0..=3)]);
            let window = if r.from(0..=2) > 0 { Window::new(kernel, [1, 1], window.padding) } else { window };
            size = window.output_size(size)?;
            pairs.push(Pair { window, outputs: r.from(1..=40), relu: [false; 2] });
        }
        Ok(Self { input, pairs, seed })
    }

    /// Returns the batch, then weights, gamma and beta of each layer.
    fn inputs(&self) -> Result<Vec<Tensor>> {
        let (mut channels, mut shapes) = (self.input[1], vec![self.input.to_vec()]);
        for Pair { window, outputs, .. } in &self.pairs {
            shapes.push(vec![channels, 1, window.kernel[0], window.kernel[1]]);
            shapes.extend([
                vec![channels],
                vec![channels],
                vec![*outputs, channels, 1, 1],
                vec![*outputs],
                vec![*outputs],
            ]);
            channels = *outputs;
        }
        let scaled = |(shape, seed): (&Vec<usize>, u64)| {
            let values = distinct(shape, seed)?;
            let largest = values.abs()?.max_all()?.to_scalar::<f64>()?;
            (values / largest)?.to_dtype(DType::F32)
        };
        shapes.iter().zip(self.seed..).map(scaled).collect()
    }

    /// Trains the pairs in one call, or in one call for each layer.
    fn train(&self, t: &[Tensor], together: bool) -> Result<(Tensor, Vec<BatchStatistics>)> {
        let mut layers = Vec::new();
        for (pair, t) in self.pairs.iter().zip(t[1..].chunks_exact(6)) {
            let epilogue = pair.relu.map(|relu| if relu { Epilogue::Relu } else { Epilogue::None });
            let depthwise = ConvBatchNorm::new(&t[0], pair.window, &t[1], &t[2]).depthwise(true).eps(1e-2);
            layers.push(depthwise.epilogue(epilogue[0]));
            layers.push(ConvBatchNorm::new(&t[3], Window::conv(1), &t[4], &t[5]).eps(1e-2).epilogue(epilogue[1]));
        }
        let calls: Vec<&[ConvBatchNorm]> = if together { vec![&layers[..]] } else { layers.chunks(1).collect() };
        calls.into_iter().try_fold((t[0].clone(), Vec::new()), |(xs, mut all), layers| {
            let (ys, statistics) = ops::conv_batch_norm_train(&xs, layers)?;
            all.extend(statistics);
            Ok((ys, all))
        })
    }

    /// Returns the result and the gradients, computed on this number of threads.
    fn evaluate(&self, inputs: &[Tensor], threads: usize) -> Result<Vec<Tensor>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(candle_core::Error::wrap)?;
        let upstream = |y: &Tensor| integers(y.dims(), self.seed)?.to_dtype(y.dtype());
        let (y, gradients) = pool.install(|| evaluate(inputs, upstream, |t| Ok(self.train(t, true)?.0)))?;
        Ok([vec![y], gradients].concat())
    }

    /// Fails unless the result and all gradients are those of the composition, and have the same bits on any number of
    /// threads.
    fn check(&self) -> Result<()> {
        let inputs = self.inputs()?;
        let exact = inputs.iter().map(|t| t.to_dtype(DType::F64)).collect::<Result<Vec<_>>>()?;
        let statistics = [&inputs, &exact].map(|inputs| Ok(self.train(inputs, true)?.1));
        let [own, expected]: [Result<Vec<BatchStatistics>>; 2] = statistics;
        let (own, expected) = (own?, expected?);
        assert_eq!([own.len(), expected.len()], [2 * self.pairs.len(); 2]);
        for (own, expected) in own.iter().zip(&expected) {
            close("mean", &own.mean, &expected.mean, 3e-5)?;
            close("variance", &own.var, &expected.var, 3e-5)?;
        }
        let (one, three, expected) =
            (self.evaluate(&inputs, 1)?, self.evaluate(&inputs, 3)?, self.evaluate(&exact, 1)?);
        for (i, (one, (three, expected))) in one.iter().zip(three.iter().zip(&expected)).enumerate() {
            let what = format!("value {i} of {self:?}");
            // Without a ReLU the next normalisation cancels gamma and beta, whose gradients are then noise around 0.
            close(&what, one, expected, if i == 0 { 1e-5 } else { 5e-4 })?;
            close(&format!("{what} on three threads"), three, one, 0.)?;
        }
        Ok(())
    }
}

#[test]
fn separable_convolutions_of_random_shapes_are_trained_as_their_composition() -> Result<()> {
    let mut checked = 0;
    for seed in 0..150 {
        // Where a map has become smaller than the kernel, or has no variance, there is nothing to compare.
        let Ok(case) = Case::random(seed) else { continue };
        let inputs = case.inputs()?;
        let exact = inputs.iter().map(|t| t.to_dtype(DType::F64)).collect::<Result<Vec<_>>>()?;
        if case.train(&exact, true).is_err() {
            assert!(case.train(&inputs, true).is_err(), "{case:?}");
            continue;
        }
        case.check()?;
        checked += 1;
    }
    assert!(checked > 100, "only {checked} cases were possible");
    Ok(())
}

#[test]
fn separable_convolutions_with_relu_are_trained_as_their_composition() -> Result<()> {
    let pair = |window: Window, outputs, relu| Pair { window, outputs, relu };
    let (same, strided) = (Window::conv(3).padding(1), Window::conv(3).padding(1).stride(2));
    // Eight channels with an even width share vectors; padding beyond the kernel has no convolution as its adjoint.
    let cases = [
        ([3, 8, 6, 6], vec![pair(same, 16, [true; 2]), pair(strided, 32, [true; 2]), pair(same, 5, [true, false])]),
        ([3, 7, 6, 5], vec![pair(same, 17, [true; 2]), pair(strided, 8, [false, true]), pair(same, 5, [true; 2])]),
        ([2, 8, 4, 4], vec![pair(Window::conv(1).padding(2), 33, [true; 2])]),
        ([2, 8, 6, 6], vec![pair(Window::new([3, 3], [2, 1], [1, 1]), 20, [true; 2])]),
        ([9, 20, 5, 7], vec![pair(Window::new([2, 4], [1, 3], [1, 2]), 40, [true; 2])]),
    ];
    cases.into_iter().zip(1..).try_for_each(|((input, pairs), seed)| Case { input, pairs, seed }.check())
}

#[test]
fn layers_trained_together_are_the_same_as_one_after_the_other() -> Result<()> {
    let pairs = vec![Pair { window: Window::conv(3).padding(1), outputs: 24, relu: [false; 2] }; 2];
    let case = Case { input: [4, 10, 8, 8], pairs, seed: 3 };
    let (inputs, upstream) = (case.inputs()?, |y: &Tensor| integers(y.dims(), 5));
    let (together, gradients) = evaluate(&inputs, upstream, |t| Ok(case.train(t, true)?.0))?;
    let (apart, expected) = evaluate(&inputs, upstream, |t| Ok(case.train(t, false)?.0))?;
    close("result", &together, &apart, 1e-5)?;
    gradients.iter().zip(&expected).try_for_each(|(gradient, expected)| close("gradient", gradient, expected, 5e-4))
}
