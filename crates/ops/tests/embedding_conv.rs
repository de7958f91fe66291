//! Convolutions of sequences of vectors that ids stand for: the kernels against the composition in f64 and against the
//! operators that write the vectors and the map.

mod common;

use candle_core::{DType, Device, Result, Tensor, bail};
use common::{Random, close, distinct, evaluate, integers, slopes, values};
use ops::{BatchStatistics, Conv1dConfig, EmbeddingConv1d};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

const CPU: Device = Device::Cpu;

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
struct Case {
    batch: usize,
    length: usize,
    ids: usize,
    dimensions: usize,
    filters: usize,
    window: usize,
    padding: [usize; 2],
    /// True if each sequence has its own vectors.
    own: bool,
    seed: u64,
}

/// Sizes around the kernels' blocks of 16 filters and tiles of 64 positions, and with too many ids for them.
fn cases() -> impl Strategy<Value = Case> {
    let filters = prop_oneof![1usize..=5, Just(16), 17usize..=20, Just(33)];
    let more = prop_oneof![0usize..=20, 55usize..=75, 125usize..=130];
    let sizes = (1usize..=5, more, 1usize..=9, 1usize..=6, filters);
    (sizes, 1usize..=6, [0usize..=4, 0usize..=4], any::<bool>(), 0u64..1 << 32).prop_map(
        |((batch, more, ids, dimensions, filters), window, padding, own, seed)| {
            let length = window.saturating_sub(padding[0] + padding[1]).max(1) + more;
            Case { batch, length, ids, dimensions, filters, window, padding, own, seed }
        },
    )
}

impl Case {
    fn positions(&self) -> usize {
        self.length + self.padding[0] + self.padding[1] + 1 - self.window
    }

    /// Returns ids with runs of equal ones, as padding has them.
    fn ids(&self) -> Result<Tensor> {
        let mut random = Random(self.seed + 77);
        let mut ids: Vec<u32> = Vec::new();
        while ids.len() < self.batch * self.length {
            let (id, run) = (random.from(0..=self.ids - 1), random.from(1..=6));
            ids.extend(vec![id as u32; run]);
        }
        ids.truncate(self.batch * self.length);
        Tensor::from_vec(ids, (self.batch, self.length), &CPU)
    }

    /// Returns a mask that leaves about half of the positions out, but not the last of a sequence.
    fn mask(&self) -> Result<Tensor> {
        let (mut random, positions) = (Random(self.seed + 78), self.positions());
        let keep =
            |i: usize, random: &mut Random| u8::from(random.from(0..=1) == 0 || (i + 1).is_multiple_of(positions));
        let mask = (0..self.batch * positions).map(|i| keep(i, &mut random)).collect();
        Tensor::from_vec(mask, (self.batch, positions), &CPU)
    }

    /// Returns vectors, weights, a bias, gamma and beta.
    fn inputs(&self, values: impl Fn(&[usize], u64) -> Result<Tensor>) -> Result<Vec<Tensor>> {
        let vectors = [self.batch, self.ids, self.dimensions];
        let vectors = if self.own { &vectors[..] } else { &vectors[1..] };
        let weight = [self.filters, self.dimensions, self.window];
        let shapes = [vectors, &weight, &[self.filters], &[self.filters], &[self.filters]];
        shapes.iter().zip(self.seed..).map(|(shape, seed)| values(shape, seed)).collect()
    }
}

type Operator = fn(&EmbeddingConv1d, Option<&Tensor>, &[Tensor]) -> Result<Tensor>;

/// All operators, given the mask and all inputs. Those without batch normalisation add beta · gamma, so that every input has
/// a gradient.
const OPERATORS: [(&str, Operator); 4] = [
    ("embedding_conv1d", |conv, _, t| {
        ops::embedding_conv1d(conv)?.broadcast_add(&(&t[3] * &t[4])?.reshape((1, (), 1))?)
    }),
    ("embedding_conv1d_max", |conv, mask, t| ops::embedding_conv1d_max(conv, mask)?.broadcast_add(&(&t[3] * &t[4])?)),
    ("embedding_conv1d_batch_norm_max", |conv, mask, t| {
        let mean = Tensor::full(0.5f32, t[3].dims(), &CPU)?.to_dtype(t[3].dtype())?;
        let statistics = BatchStatistics { var: (&mean + 1.5)?, mean };
        ops::embedding_conv1d_batch_norm_max(conv, mask, &t[3], &t[4], &statistics, 1e-3)
    }),
    ("embedding_conv1d_batch_norm_max_train", |conv, mask, t| {
        let (ys, statistics) = ops::embedding_conv1d_batch_norm_max_train(conv, mask, &t[3], &t[4], 1e-1)?;
        // The statistics are compared, too; they have no gradient.
        Tensor::cat(&[&ys, &statistics.mean.unsqueeze(0)?, &statistics.var.unsqueeze(0)?], 0)
    }),
];

/// Applies an operator to the ids of a case.
fn apply(case: &Case, masked: bool, operator: Operator, t: &[Tensor]) -> Result<Tensor> {
    let (ids, mask) = (case.ids()?, case.mask()?);
    let conv = EmbeddingConv1d::new(&ids, &t[0], &t[1]).bias(Some(&t[2])).padding(case.padding);
    operator(&conv, masked.then_some(&mask), t)
}

/// Fails unless result and gradients in f32 are those in f64. The values are whole, so all winners are the same.
fn same_as_in_f64(name: &str, operator: Operator, case: &Case, masked: bool) -> Result<()> {
    let run = |dtype: DType| {
        let inputs = case.inputs(integers)?.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        evaluate(&inputs, |y| integers(y.dims(), case.seed)?.to_dtype(dtype), |t| apply(case, masked, operator, t))
    };
    let ((y, gradients), (expected_y, expected)) = (run(DType::F32)?, run(DType::F64)?);
    close(name, &y, &expected_y, 1e-5)?;
    for (i, (gradient, expected)) in gradients.iter().zip(&expected).enumerate() {
        // The gradients of what is normalised cancel, most of all where the variance is small.
        let tolerance = if name.ends_with("train") { 1e-4 } else { 1e-5 };
        close(&format!("{name}: gradient of input {i}"), gradient, expected, tolerance)?;
    }
    Ok(())
}

/// Returns f64 values from −1 to 1 without a pattern, so that only equal windows have equal outputs.
fn uniform(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut random = Random(seed);
    let value = |_| random.next() as f64 / u64::MAX as f64 * 2. - 1.;
    Tensor::from_vec((0..shape.iter().product()).map(value).collect(), shape, &CPU)
}

fn holds(case: &Case, result: Result<()>) -> std::result::Result<(), TestCaseError> {
    common::holds(result.map_err(|error| candle_core::Error::msg(format!("{case:?}: {error}"))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn results_and_gradients_are_those_in_f64(case in cases(), masked: bool) {
        for (name, operator) in OPERATORS {
            // A single vector for all identifiers may make all outputs equal. Without a variance the rounding is magnified.
            if name.ends_with("train") && (case.batch * case.positions() < 2 || case.ids == 1) {
                continue;
            }
            holds(&case, same_as_in_f64(name, operator, &case, masked))?;
        }
    }

    #[test]
    fn gradients_in_f64_are_exact(case in cases(), masked: bool) {
        // Few values, so that a step rarely changes a winner.
        let case = Case { batch: case.batch.min(2), filters: case.filters.min(3), length: case.length.min(case.window + 9), ..case };
        prop_assume!(case.batch * case.positions() > 1);
        for (name, operator) in OPERATORS {
            let check = || {
                let inputs = case.inputs(uniform)?;
                // Not the statistics, which have no gradient.
                let f = |t: &[Tensor]| {
                    let y = apply(&case, masked, operator, t)?;
                    if name.ends_with("train") { y.narrow(0, 0, case.batch) } else { Ok(y) }
                };
                let upstream = |y: &Tensor| integers(y.dims(), case.seed)?.to_dtype(DType::F64);
                let (_, gradients) = evaluate(&inputs, upstream, f)?;
                let Some([slope, expected]) = slopes(&inputs, &gradients, case.seed, upstream, f)? else { return Ok(()) };
                if (slope - expected).abs() > 1e-5 * (1. + slope.abs()) {
                    bail!("{name}: the slope is {slope}, but {expected} follows from the gradients")
                }
                Ok(())
            };
            holds(&case, check())?;
        }
    }
}

/// A case that is large enough for several threads, with the sizes of the protein network.
const LARGE: Case = Case {
    batch: 5,
    length: 300,
    ids: 26,
    dimensions: 20,
    filters: 40,
    window: 15,
    padding: [7, 7],
    own: true,
    seed: 3,
};

fn noise(shape: &[usize], seed: u64) -> Result<Tensor> {
    (distinct(shape, seed)? * (20. / shape.iter().product::<usize>() as f64))?.to_dtype(DType::F32)
}

#[test]
fn bits_are_the_same_on_any_number_of_threads_and_in_a_second_backward_pass() -> Result<()> {
    for own in [false, true] {
        let case = Case { own, ..LARGE };
        let inputs = case.inputs(noise)?;
        for (name, operator) in OPERATORS {
            let bits = |threads: usize| -> Result<Vec<Vec<u32>>> {
                let pool =
                    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(candle_core::Error::wrap)?;
                pool.install(|| {
                    let upstream = |y: &Tensor| noise(y.dims(), 7);
                    let (y, gradients) = evaluate(&inputs, upstream, |t| apply(&case, false, operator, t))?;
                    let bits =
                        |t: &Tensor| Ok(t.flatten_all()?.to_vec1::<f32>()?.iter().map(|v| v.to_bits()).collect());
                    std::iter::once(&y).chain(&gradients).map(bits).collect()
                })
            };
            let one = bits(1)?;
            for threads in [1, 2, 5] {
                assert!(bits(threads)? == one, "{name}: {threads} threads differ from one");
            }
        }
    }
    Ok(())
}

/// Looks the vectors up, and applies the operators for vectors one after the other.
fn step_by_step(case: &Case, ids: &Tensor, t: &[Tensor]) -> Result<Tensor> {
    let flat = ids.flatten_all()?;
    let vectors = if case.own {
        let each = (0..case.batch).map(|n| t[0].get(n)?.index_select(&ids.get(n)?, 0));
        Tensor::stack(&each.collect::<Result<Vec<_>>>()?, 0)?
    } else {
        t[0].index_select(&flat, 0)?.reshape((case.batch, case.length, case.dimensions))?
    };
    let vectors = vectors.transpose(1, 2)?.pad_with_zeros(2, case.padding[0], case.padding[1])?;
    let map = ops::conv1d(&vectors.contiguous()?, &t[1], Some(&t[2]), &Conv1dConfig::default())?;
    let (map, _) = ops::batch_norm_train(&map, &t[3], &t[4], 1e-5, false)?;
    ops::global_max_pool(&ops::elu(&map, 1.)?)
}

#[test]
fn the_activation_may_follow_the_maximum() -> Result<()> {
    for own in [false, true] {
        let case = Case { own, ..LARGE };
        let (ids, inputs) = (case.ids()?, case.inputs(noise)?);
        assert!(inputs[3].to_vec1::<f32>()?.iter().any(|gamma| *gamma < 0.), "minima are wanted, too");
        let upstream = |y: &Tensor| noise(y.dims(), 9);
        let (y, gradients) = evaluate(&inputs, upstream, |t| {
            let conv = EmbeddingConv1d::new(&ids, &t[0], &t[1]).bias(Some(&t[2])).padding(case.padding);
            ops::elu(&ops::embedding_conv1d_batch_norm_max_train(&conv, None, &t[3], &t[4], 1e-5)?.0, 1.)
        })?;
        let (expected_y, expected) = evaluate(&inputs, upstream, |t| step_by_step(&case, &ids, t))?;
        close("result", &y, &expected_y, 1e-5)?;
        for (i, (gradient, expected)) in gradients.iter().zip(&expected).enumerate() {
            close(&format!("gradient of input {i}"), gradient, expected, 1e-4)?;
        }
        assert!(values(&gradients[2])?.iter().all(|&gradient| gradient == 0.), "the bias has no influence");
    }
    Ok(())
}

#[test]
fn a_constant_channel_has_no_variance_and_its_first_output_wins() -> Result<()> {
    let ids = Tensor::new(&[[0u32, 1, 0, 1, 1]], &CPU)?;
    let vectors = Tensor::new(&[[0.1f32], [0.1]], &CPU)?;
    let weight = Tensor::new(&[[[0.7f32]], [[-0.3]]], &CPU)?;
    let [gamma, beta] = [Tensor::new(&[2f32, 0.], &CPU)?, Tensor::new(&[3f32, 4.], &CPU)?];
    let conv = EmbeddingConv1d::new(&ids, &vectors, &weight);
    let (y, statistics) = ops::embedding_conv1d_batch_norm_max_train(&conv, None, &gamma, &beta, 1e-5)?;
    close("constant channels", &y, &Tensor::new(&[[3f32, 4.]], &CPU)?, 1e-5)?;
    close("their variances", &statistics.var, &Tensor::zeros(2, DType::F32, &CPU)?, 1e-12)?;
    let gradient = common::gradient(&vectors, |vectors| {
        ops::embedding_conv1d_max(&EmbeddingConv1d::new(&ids, vectors, &weight), None)
    })?;
    assert_eq!(gradient.to_vec2::<f32>()?, [[0.7f32 - 0.3], [0.]]);
    Ok(())
}

#[test]
fn nan_wins_as_in_pytorch() -> Result<()> {
    let ids = Tensor::new(&[[0u32, 1, 2], [2, 2, 0]], &CPU)?;
    let vectors = Tensor::new(&[[1f32], [f32::NAN], [3.]], &CPU)?;
    let weight = Tensor::new(&[[[1f32]]], &CPU)?;
    let y = ops::embedding_conv1d_max(&EmbeddingConv1d::new(&ids, &vectors, &weight), None)?.to_vec2::<f32>()?;
    assert!(y[0][0].is_nan() && y[1][0] == 3., "{y:?}");
    Ok(())
}

#[test]
fn half_types_are_computed_in_f32() -> Result<()> {
    let case = Case { batch: 2, length: 90, ..LARGE };
    let inputs = case.inputs(integers)?;
    for (name, operator) in OPERATORS {
        let run = |dtype: DType| {
            let inputs = inputs.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
            apply(&case, false, operator, &inputs)
        };
        let expected = run(DType::F32)?;
        for dtype in [DType::F16, DType::BF16] {
            let y = run(dtype)?;
            assert_eq!(y.dtype(), dtype);
            close(name, &y.to_dtype(DType::F32)?, &expected, 4e-3)?;
        }
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error_with_the_values() -> Result<()> {
    let ids = Tensor::new(&[[0u32, 1, 2, 0]], &CPU)?;
    let [vectors, weight] = [&[3, 2][..], &[5, 2, 3]].map(|shape| Tensor::ones(shape, DType::F32, &CPU));
    let (vectors, weight) = (vectors?, weight?);
    let error =
        |conv: EmbeddingConv1d, mask: Option<&Tensor>| ops::embedding_conv1d_max(&conv, mask).unwrap_err().to_string();
    let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, &CPU);
    let conv = EmbeddingConv1d::new(&ids, &vectors, &weight);
    assert!(error(EmbeddingConv1d::new(&ids.flatten_all()?, &vectors, &weight), None).contains("(N, L)"));
    assert!(error(EmbeddingConv1d::new(&ids.to_dtype(DType::F32)?, &vectors, &weight), None).contains("U32"));
    assert!(error(EmbeddingConv1d::new(&ids, &ones(&[2, 2])?, &weight), None).contains("no vector for id 2"));
    assert!(error(EmbeddingConv1d::new(&ids, &ones(&[3, 1])?, &weight), None).contains("do not fit"));
    assert!(error(EmbeddingConv1d::new(&ids, &ones(&[2, 3, 2])?, &weight), None).contains("do not fit"));
    assert!(error(EmbeddingConv1d::new(&ids, &ones(&[3])?, &weight), None).contains("(V, D)"));
    assert!(error(EmbeddingConv1d::new(&ids, &vectors, &ones(&[5, 2, 5])?), None).contains("window"));
    assert!(error(EmbeddingConv1d::new(&ids, &vectors, &ones(&[0, 2, 3])?), None).contains("may be 0"));
    assert!(error(conv.bias(Some(&ones(&[4])?)), None).contains("5 filters"));
    let negative = Tensor::new(&[[0i64, -1, 2, 0]], &CPU)?;
    assert!(error(EmbeddingConv1d::new(&negative, &vectors, &weight), None).contains("id -1"));
    assert!(error(conv, Some(&Tensor::ones((1, 4), DType::U8, &CPU)?)).contains("[1, 2]"));
    assert!(error(conv, Some(&Tensor::zeros((1, 2), DType::U8, &CPU)?)).contains("sequence 0"));
    let gamma = ones(&[4])?;
    let train = |gamma: &Tensor, conv| ops::embedding_conv1d_batch_norm_max_train(&conv, None, gamma, gamma, 1e-5);
    assert!(train(&gamma, conv).unwrap_err().to_string().contains("5 filters"));
    let single = ids.narrow(1, 0, 3)?;
    let error = train(&ones(&[5])?, EmbeddingConv1d::new(&single, &vectors, &weight)).unwrap_err().to_string();
    assert!(error.contains("no variance"), "{error}");
    Ok(())
}

#[test]
fn any_padding_gives_a_result_or_an_error() -> Result<()> {
    let ids = Tensor::new(&[[0u32, 2, 1]], &CPU)?;
    let (vectors, weight) = (integers(&[3, 2], 1)?, integers(&[5, 2, 3], 2)?);
    let many = [1 << 33, 1 << 47, 1 << 62, usize::MAX / 2, usize::MAX - 2, usize::MAX - 1, usize::MAX];
    for padding in many.into_iter().flat_map(|many| [[many, 0], [0, many], [many, many], [many, 3]]) {
        let conv = EmbeddingConv1d::new(&ids, &vectors, &weight).padding(padding);
        assert!(ops::embedding_conv1d_max(&conv, None).is_err(), "{padding:?}");
        assert!(ops::embedding_conv1d(&conv).is_err(), "{padding:?}");
    }
    let conv = EmbeddingConv1d::new(&ids, &vectors, &weight).padding([1, 1000]);
    assert_eq!(ops::embedding_conv1d(&conv)?.dims(), [1, 5, 1002]);
    Ok(())
}
