//! The same by candle operators, which look the vectors up, for tensors without a kernel and for very many ids.

use candle_core::{Result, Tensor};

use super::{EmbeddingConv1d, arguments::Sizes, operator::Moments};
use crate::{Conv1dConfig, composed, conv1d, sizes::check_memory};

/// Computes all outputs.
pub fn map(conv: &EmbeddingConv1d, sizes: &Sizes, bias: Option<&Tensor>) -> Result<Tensor> {
    let &Sizes { batch, ids: count, dimensions, .. } = sizes;
    let mut ids = conv.checked_ids(sizes)?;
    let length = ids.len() / batch;
    let [before, behind] = conv.padding;
    check_memory("embedding_conv1d: the padded vectors", &[batch, dimensions, before + length + behind])?;
    if conv.vectors.rank() == 3 {
        for (n, ids) in ids.chunks_exact_mut(length).enumerate() {
            ids.iter_mut().for_each(|id| *id += (n * count) as i64);
        }
    }
    let ids = Tensor::from_vec(ids, batch * length, conv.vectors.device())?;
    let vectors = conv.vectors.reshape(((), dimensions))?.index_select(&ids, 0)?;
    let vectors = vectors.reshape((batch, length, dimensions))?.transpose(1, 2)?.contiguous()?;
    conv1d(&vectors.pad_with_zeros(2, before, behind)?, conv.weight, bias, &Conv1dConfig::default())
}

/// Computes the extremes.
pub fn extremes(
    conv: &EmbeddingConv1d,
    sizes: &Sizes,
    mask: Option<&Tensor>,
    signs: &Tensor,
    moments: Moments,
) -> Result<Tensor> {
    let map = map(conv, sizes, None)?;
    let mut keys = map.detach().broadcast_mul(&signs.reshape((1, (), 1))?)?;
    if let Some(mask) = mask {
        let lowest = keys.ones_like()?.affine(f64::NEG_INFINITY, 0.)?;
        keys = mask.unsqueeze(1)?.broadcast_as(keys.shape())?.where_cond(&keys, &lowest)?;
    }
    let extremes = composed::at_maximum(&map, &keys)?;
    if moments == Moments::Unwanted {
        return Ok(extremes);
    }
    let mean = map.mean_keepdim((0, 2))?;
    let var = map.broadcast_sub(&mean)?.sqr()?.mean_keepdim((0, 2))?;
    Tensor::cat(&[extremes, mean.squeeze(2)?, var.squeeze(2)?], 0)
}
