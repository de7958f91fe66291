use candle_core::{DType, Result, Tensor, bail};

use crate::{
    cpu::{
        fast,
        lookup::{LookupConv, Sequences, Windows},
        simd::BLOCK_WIDTH,
    },
    precision,
    sizes::check_memory,
};

/// The arguments of a convolution of sequences of vectors that ids stand for; see [`embedding_conv1d`].
///
/// [`embedding_conv1d`]: crate::embedding_conv1d
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EmbeddingConv1d<'a> {
    /// The sequences, (N, L) of type u8, u32 or i64.
    pub ids: &'a Tensor,
    /// The vectors of all ids, (V, D), or those of each sequence, (N, V, D), for example with other channels dropped in each.
    pub vectors: &'a Tensor,
    /// The weights of the convolution, (F, D, k).
    pub weight: &'a Tensor,
    /// The bias of the convolution, (F).
    pub bias: Option<&'a Tensor>,
    /// The number of zeros before and behind each sequence of vectors.
    pub padding: [usize; 2],
}

/// The sizes of an [`EmbeddingConv1d`] whose tensors fit each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub batch: usize,
    /// The number of ids that have a vector.
    pub ids: usize,
    pub dimensions: usize,
    pub filters: usize,
    pub window: usize,
    /// The number of positions of the output.
    pub positions: usize,
}

impl<'a> EmbeddingConv1d<'a> {
    /// Creates a convolution without bias and padding.
    pub fn new(ids: &'a Tensor, vectors: &'a Tensor, weight: &'a Tensor) -> Self {
        Self { ids, vectors, weight, bias: None, padding: [0; 2] }
    }

    /// Sets the bias.
    pub fn bias(self, bias: Option<&'a Tensor>) -> Self {
        Self { bias, ..self }
    }

    /// Sets the number of zeros before and behind each sequence of vectors.
    pub fn padding(self, padding: [usize; 2]) -> Self {
        Self { padding, ..self }
    }

    /// Returns the sizes, or an error if the tensors do not fit each other.
    pub(super) fn sizes(&self) -> Result<Sizes> {
        let Self { ids, vectors, weight, bias, padding } = *self;
        let (of_ids, of_vectors, of_weight) = (ids.dims(), vectors.dims(), weight.dims());
        let (&[batch, length], &[filters, dimensions, window]) = (of_ids, of_weight) else {
            bail!("embedding_conv1d: ids {of_ids:?} and weights {of_weight:?} are not (N, L) and (F, D, k)")
        };
        let &([count, of_vector] | [_, count, of_vector]) = of_vectors else {
            bail!("embedding_conv1d: vectors {of_vectors:?} are not possible; they must be (V, D) or (N, V, D)")
        };
        let own_vectors = of_vectors.len() == 3;
        if of_vector != dimensions || (own_vectors && of_vectors[0] != batch) {
            bail!("embedding_conv1d: vectors {of_vectors:?} do not fit ids {of_ids:?} and weights {of_weight:?}")
        }
        if let Some(bias) = bias.filter(|bias| bias.dims() != [filters]) {
            bail!("embedding_conv1d: a bias {:?} does not fit {filters} filters; possible: (F)", bias.dims())
        }
        let padded = padding.iter().try_fold(length, |length, &padding| length.checked_add(padding));
        let positions = padded.and_then(|padded| (padded + 1).checked_sub(window));
        let (Some(positions), false) = (positions, [of_ids, of_vectors, of_weight].concat().contains(&0)) else {
            bail!(
                "embedding_conv1d: weights {of_weight:?} do not fit sequences {of_ids:?} with a padding of {padding:?} and \
                 vectors {of_vectors:?}; a window must fit a sequence, and no size may be 0"
            )
        };
        if positions == 0 {
            bail!(
                "embedding_conv1d: a window of {window} does not fit sequences of {length} with a padding of {padding:?}"
            )
        }
        check_memory("embedding_conv1d: a result", &[batch, positions])?;
        Ok(Sizes { batch, ids: count, dimensions, filters, window, positions })
    }

    /// Returns the ids, or an error if one has no vector.
    pub(super) fn checked_ids(&self, sizes: &Sizes) -> Result<Vec<i64>> {
        if !matches!(self.ids.dtype(), DType::U8 | DType::U32 | DType::I64) {
            bail!("embedding_conv1d: ids of {:?} are not possible; they must be U8, U32 or I64", self.ids.dtype())
        }
        let ids = self.ids.flatten_all()?.to_dtype(DType::I64)?.to_vec1::<i64>()?;
        match ids.iter().find(|&&id| !usize::try_from(id).is_ok_and(|id| id < sizes.ids)) {
            Some(id) => {
                bail!("embedding_conv1d: there is no vector for id {id}; ids must be from 0 to {}", sizes.ids - 1)
            }
            None => Ok(ids),
        }
    }

    /// Returns the convolution as the kernels take it; `None` if there are none for its tensors, or if there are so many ids
    /// that a table of what each contributes would take longer than it saves.
    pub(super) fn lookup(&self, sizes: &Sizes, windows: Windows) -> Result<Option<LookupConv>> {
        let &Sizes { batch, ids, dimensions, filters, window, .. } = sizes;
        let own_vectors = self.vectors.rank() == 3;
        let looked_up = if own_vectors { self.ids.dim(1)? } else { self.ids.elem_count() };
        let tensors = [self.vectors, self.weight, self.bias.unwrap_or(self.weight)];
        if ids > looked_up || !fast(&tensors) {
            return Ok(None);
        }
        let blocks = filters.div_ceil(BLOCK_WIDTH);
        check_memory("embedding_conv1d: the tables", &[blocks, ids + 1, window, BLOCK_WIDTH])?;
        check_memory("embedding_conv1d: the weights", &[blocks, dimensions, window, BLOCK_WIDTH])?;
        let sequences = Sequences::new(&self.checked_ids(sizes)?, batch, ids, window, self.padding, windows)?;
        Ok(Some(LookupConv { sequences, dimensions, filters, own_vectors }))
    }

    /// Calls `f` with the convolution in f32 if its type is a half one, and converts the result back.
    pub(super) fn in_f32(&self, f: impl FnOnce(&EmbeddingConv1d) -> Result<Tensor>) -> Result<Tensor> {
        if !precision::is_half(&[self.vectors, self.weight, self.bias.unwrap_or(self.weight)]) {
            return f(self);
        }
        precision::weighted_in_f32(self.vectors, self.weight, self.bias, |vectors, weight, bias| {
            f(&EmbeddingConv1d { vectors, weight, bias, ..*self })
        })
    }
}
