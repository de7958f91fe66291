//! 1-d convolutions of sequences of vectors that ids stand for, such as the residues of a protein or the tokens of a text.
//!
//! The sequences of vectors are never written where a table of what each id contributes to an output is smaller, and neither
//! is the map of outputs where only its maximum is wanted.

mod arguments;
mod fallback;
mod normalised;
mod operator;

pub use arguments::EmbeddingConv1d;
pub use normalised::{embedding_conv1d_batch_norm_max, embedding_conv1d_batch_norm_max_train};

use candle_core::{Result, Tensor};

use operator::{Moments, extremes, map};

/// Looks up vectors and convolves them: `conv1d` of `torch.nn.functional.embedding`, as (N, D, L).
///
/// # Shapes
/// `ids` (N, L), `vectors` (V, D) or (N, V, D), `weight` (F, D, k) → (N, F, L + padding − k + 1), where padding counts both
/// ends.
///
/// # Errors
/// Fails if the shapes do not fit each other, if an id has no vector, or if a sequence is shorter than the window.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ops::EmbeddingConv1d;
///
/// # fn main() -> candle_core::Result<()> {
/// let ids = Tensor::new(&[[0u32, 1, 1, 2]], &Device::Cpu)?;
/// let vectors = Tensor::new(&[[0f32], [1.], [10.]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[[1f32, 2.]]], &Device::Cpu)?;
/// let conv = EmbeddingConv1d::new(&ids, &vectors, &weight).padding([0, 1]);
/// assert_eq!(ops::embedding_conv1d(&conv)?.to_vec3::<f32>()?, [[[2., 3., 21., 10.]]]);
/// assert_eq!(ops::embedding_conv1d_max(&conv, None)?.to_vec2::<f32>()?, [[21.]]);
/// # Ok(())
/// # }
/// ```
pub fn embedding_conv1d(conv: &EmbeddingConv1d) -> Result<Tensor> {
    conv.in_f32(map)
}

/// Computes `global_max_pool(embedding_conv1d(…))` without writing the map of outputs. The gradient of each maximum goes to
/// its first position.
///
/// Positions where `mask` is 0 do not take part, for example because a padded sequence has nothing there.
///
/// # Shapes
/// The same as for [`embedding_conv1d`], `mask` (N, positions of the output) of type u8 → (N, F).
///
/// # Errors
/// The same as for [`embedding_conv1d`]; fails also if the mask has another shape or leaves out a whole sequence.
pub fn embedding_conv1d_max(conv: &EmbeddingConv1d, mask: Option<&Tensor>) -> Result<Tensor> {
    conv.in_f32(|conv| {
        let signs = Tensor::ones(conv.weight.dim(0)?, conv.weight.dtype(), conv.weight.device())?;
        add_bias(extremes(conv, mask, &signs, Moments::Unwanted)?, conv.bias)
    })
}

fn add_bias(ys: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    bias.map_or(Ok(ys.clone()), |bias| ys.broadcast_add(bias))
}
