use std::sync::OnceLock;

use candle_core::{Context, DType, Result, Shape, Tensor, bail};

use super::{EmbeddingConv1d, arguments::Sizes, fallback};
use crate::{
    cpu::{
        Gradients, batch_norm,
        lookup::{self, AffineGradient, Extremes, LookupConv, Upstream, Windows},
    },
    sizes::check_memory,
    weighted::{BackwardArgs, Weighted, apply},
};

/// Says whether the moments of the outputs are wanted besides the extremes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moments {
    Wanted,
    Unwanted,
}

/// Computes all outputs, (N, F, positions).
pub fn map(conv: &EmbeddingConv1d) -> Result<Tensor> {
    let sizes = conv.sizes()?;
    check_memory("embedding_conv1d: a result", &[sizes.batch, sizes.filters, sizes.positions])?;
    match conv.lookup(&sizes, Windows::Each)? {
        Some(lookup) => apply(conv.vectors, conv.weight, conv.bias, Map(lookup)),
        None => fallback::map(conv, &sizes, conv.bias),
    }
}

/// Computes the extreme output of each filter for each sequence, without the bias, (N, F): the maximum where the sign of the
/// filter is 1, the minimum where it is −1, and the first output where it is 0.
///
/// With moments, the result is (N + 2, F): behind the extremes, the mean and the biased variance of all outputs of each
/// filter.
pub fn extremes(conv: &EmbeddingConv1d, mask: Option<&Tensor>, signs: &Tensor, moments: Moments) -> Result<Tensor> {
    let sizes = conv.sizes()?;
    let counted = mask.map(|mask| counted(mask, &sizes)).transpose()?;
    let Some(lookup) = conv.lookup(&sizes, Windows::Merged(counted.as_deref()))? else {
        return fallback::extremes(conv, &sizes, mask, signs, moments);
    };
    let signs = signs.to_vec1()?;
    let state = OnceLock::new();
    apply(conv.vectors, conv.weight, None, ExtremesOperator { lookup, signs, counted, moments, winners: state })
}

/// Returns the values of a mask, or an error if it does not fit the outputs.
fn counted(mask: &Tensor, sizes: &Sizes) -> Result<Vec<u8>> {
    let expected = [sizes.batch, sizes.positions];
    if mask.dims() != expected || mask.dtype() != DType::U8 {
        let (shape, dtype) = (mask.dims(), mask.dtype());
        bail!("embedding_conv1d: a mask {shape:?} of {dtype:?} is not possible; it must be {expected:?} of U8")
    }
    let values = mask.flatten_all()?.to_vec1::<u8>()?;
    match values.chunks_exact(sizes.positions).position(|mask| mask.iter().all(|&value| value == 0)) {
        Some(n) => bail!("embedding_conv1d: the mask leaves out the whole sequence {n}, which then has no maximum"),
        None => Ok(values),
    }
}

struct Map(LookupConv);

/// The vectors take the place of the input.
impl Weighted for Map {
    fn name(&self) -> &'static str {
        "embedding-conv1d"
    }

    fn forward(&self, vectors: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let Self(conv) = self;
        let shape = (conv.sequences.batch(), conv.filters, conv.sequences.positions());
        (lookup::map(conv, vectors, weight, bias), shape.into())
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let BackwardArgs { x, weight, dy, want_dx, want_dw, .. } = args;
        Ok(lookup::backward(&self.0, x, weight, Upstream::Map(dy), want_dx, want_dw))
    }
}

struct ExtremesOperator {
    lookup: LookupConv,
    signs: Vec<f32>,
    counted: Option<Vec<u8>>,
    moments: Moments,
    /// The positions of the extremes, once they are computed.
    winners: OnceLock<Vec<u32>>,
}

impl Weighted for ExtremesOperator {
    fn name(&self) -> &'static str {
        "embedding-conv1d-max"
    }

    fn forward(&self, vectors: &[f32], weight: &[f32], _: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let Self { lookup: conv, signs, counted, moments, winners } = self;
        let want_moments = *moments == Moments::Wanted;
        let Extremes { mut values, positions, moments } =
            lookup::extremes(conv, vectors, weight, signs, counted.as_deref(), want_moments);
        // The operator is created for a single call, so nothing has been saved before.
        let _ = winners.set(positions);
        if want_moments {
            let (mean, var) = batch_norm::statistics(conv.sequences.positions(), conv.filters, &moments);
            values.extend(mean);
            values.extend(var);
        }
        let shape = (values.len() / conv.filters, conv.filters);
        (values, shape.into())
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let (conv, positions) = (&self.lookup, self.winners.get().context("internal: no forward pass")?);
        let (dy, of_moments) = args.dy.split_at(conv.sequences.batch() * conv.filters);
        let moments = (self.moments == Moments::Wanted).then(|| {
            let (mean, _) = args.y[dy.len()..].split_at(conv.filters);
            let (of_mean, of_var) = of_moments.split_at(conv.filters);
            let count = (conv.sequences.batch() * conv.sequences.positions()) as f32;
            AffineGradient {
                mean: mean.to_vec(),
                slope: of_var.iter().map(|dy| 2. * dy / count).collect(),
                constant: of_mean.iter().map(|dy| dy / count).collect(),
            }
        });
        let upstream = Upstream::Extremes { dy, positions, moments: moments.as_ref() };
        Ok(lookup::backward(conv, args.x, args.weight, upstream, args.want_dx, args.want_dw))
    }
}
