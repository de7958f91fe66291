use candle_core::{DType, Result, Tensor, bail};
use candle_nn::{Init, VarBuilder};
use ops::prepared::Prepared;

use crate::{
    description::Description,
    embedded::Embedded,
    graph::{Graph, Value},
    layer::{Layer, Mode},
};

/// The options of an [`Embedding`]; by default every id has a trainable vector, and the output has PyTorch's order
/// (N, L, D).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct EmbeddingOptions {
    /// The id that stands for padding: its vector is 0 and has no gradient.
    pub padding_idx: Option<usize>,
    /// True if the output is (N, D, L), as 1-d convolutions take it, instead of (N, L, D).
    pub channels_first: bool,
}

impl EmbeddingOptions {
    /// Sets the id that stands for padding.
    pub fn padding_idx(self, id: usize) -> Self {
        Self { padding_idx: Some(id), ..self }
    }

    /// Makes the output (N, D, L), as 1-d convolutions take it.
    pub fn channels_first(self) -> Self {
        Self { channels_first: true, ..self }
    }
}

/// A table of trainable vectors, one per id, as `torch.nn.Embedding`.
///
/// The vector of `padding_idx` is 0 whatever `weight` holds there (PyTorch sets it to 0 when it builds the layer). A
/// prepared embedding takes its ids as f32 values.
///
/// # Shapes
/// Ids (N, L) of type u8, u32 or i64 → (N, L, D), or (N, D, L) with [`EmbeddingOptions::channels_first`].
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use layers::{Embedding, EmbeddingOptions, Layer, Mode};
///
/// # fn main() -> candle_core::Result<()> {
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let embedding = Embedding::new(26, 20, EmbeddingOptions::default().channels_first(), vb)?;
/// let amino_acids = Tensor::new(&[[3u32, 11, 25], [0, 0, 7]], &Device::Cpu)?;
/// assert_eq!(embedding.forward(&amino_acids, Mode::Eval)?.dims(), [2, 20, 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Embedding {
    weight: Tensor,
    /// 0 for padding and 1 for all other ids, (ids, 1).
    padding_mask: Option<Tensor>,
    options: EmbeddingOptions,
}

impl Embedding {
    /// Builds the layer for ids below `ids`, with the parameter `weight` (ids, dimensions), initialised from a standard
    /// normal distribution.
    ///
    /// # Errors
    /// Fails if there are no ids or dimensions, if `padding_idx` is not one of the ids, or if `vb` has a `weight` of another
    /// shape.
    pub fn new(ids: usize, dimensions: usize, options: EmbeddingOptions, vb: VarBuilder) -> Result<Self> {
        if ids == 0 || dimensions == 0 {
            bail!("Embedding({ids}, {dimensions}) is not possible; there must be at least one id and one dimension")
        }
        let weight = vb.get_with_hints((ids, dimensions), "weight", Init::Randn { mean: 0., stdev: 1. })?;
        let padding_mask = match options.padding_idx {
            None => None,
            Some(padding) if padding >= ids => {
                bail!("Embedding({ids}, {dimensions}) does not take padding_idx {padding}; it must be less than {ids}")
            }
            Some(padding) => {
                let mask: Vec<f32> = (0..ids).map(|id| if id == padding { 0. } else { 1. }).collect();
                Some(Tensor::from_vec(mask, (ids, 1), weight.device())?.to_dtype(weight.dtype())?)
            }
        };
        Ok(Self { weight, padding_mask, options })
    }

    /// Returns the weight (ids, dimensions).
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the vectors of all ids (ids, dimensions), with 0 for padding.
    fn vectors(&self, mode: Mode) -> Result<Tensor> {
        let weight = mode.parameter(&self.weight);
        self.padding_mask.as_ref().map_or(Ok(weight.clone()), |mask| weight.broadcast_mul(mask))
    }

    /// Returns the sequences of vectors without writing them. [`EmbeddingOptions::channels_first`] makes no difference.
    ///
    /// # Errors
    /// Those of [`forward`](Layer::forward).
    pub fn embed(&self, ids: &Tensor, mode: Mode) -> Result<Embedded> {
        self.check(ids)?;
        Ok(Embedded::new(ids.clone(), self.vectors(mode)?))
    }

    fn kind(&self) -> Result<String> {
        let (ids, dimensions) = self.weight.dims2()?;
        let padding = self.options.padding_idx.map_or(String::new(), |id| format!(", padding_idx {id}"));
        Ok(format!("Embedding({ids}, {dimensions}{padding})"))
    }

    /// Refuses ids that are not (N, L) or have no vector. Candle would return zeros for the largest number of a type
    /// instead of an error.
    fn check(&self, ids: &Tensor) -> Result<()> {
        if ids.rank() != 2 || !matches!(ids.dtype(), DType::U8 | DType::U32 | DType::I64) {
            let (kind, shape, dtype) = (self.kind()?, ids.dims(), ids.dtype());
            bail!("{kind} does not take an input {shape:?} of {dtype:?}; it needs ids (N, L) of U8, U32 or I64")
        }
        if ids.elem_count() == 0 {
            return Ok(());
        }
        let (count, ids) = (self.weight.dim(0)? as i64, ids.flatten_all()?.to_dtype(DType::I64)?);
        for id in [ids.min(0)?, ids.max(0)?] {
            let id = id.to_scalar::<i64>()?;
            if !(0..count).contains(&id) {
                bail!("{} has no vector for id {id}; ids must be from 0 to {}", self.kind()?, count - 1)
            }
        }
        Ok(())
    }
}

impl Layer for Embedding {
    fn forward(&self, ids: &Tensor, mode: Mode) -> Result<Tensor> {
        self.check(ids)?;
        let (batch, length) = ids.dims2()?;
        let vectors = self.vectors(mode)?.index_select(&ids.flatten_all()?.contiguous()?, 0)?;
        let vectors = vectors.reshape((batch, length, ()))?;
        if self.options.channels_first { vectors.transpose(1, 2)?.contiguous() } else { Ok(vectors) }
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let (kind, dimensions) = (self.kind()?, self.weight.dim(1)?);
        let &[length] = input else { bail!("{kind} does not take an input of {input:?}; it needs ids (L)") };
        let output = if self.options.channels_first { [dimensions, length] } else { [length, dimensions] };
        Ok(Description::pointwise(kind, output.to_vec()).with_params(self.weight.elem_count()))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.describe(input)?;
        let vectors = self.vectors(Mode::Inference)?;
        if vectors.dtype() != DType::F32 || !vectors.device().is_cpu() {
            let (kind, dtype, device) = (self.kind()?, vectors.dtype(), vectors.device());
            bail!("{kind} cannot be prepared with a weight of {dtype:?} on {device:?}; it must be f32 on the CPU")
        }
        let (ids, dimensions) = vectors.dims2()?;
        let vectors = vectors.flatten_all()?.to_vec1()?;
        let channels_first = self.options.channels_first;
        Ok(Box::new(PreparedEmbedding { vectors, ids, dimensions, length: input[0], channels_first }))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let weight = graph.parameter("weight", &self.vectors(Mode::Inference)?)?;
        let vectors = graph.node("Gather", &[&weight, xs], &[]);
        if !self.options.channels_first {
            return Ok(vectors);
        }
        Ok(graph.node("Transpose", &[&vectors], &[("perm", [0, 2, 1].into())]))
    }
}

struct PreparedEmbedding {
    /// (ids, dimensions)
    vectors: Vec<f32>,
    ids: usize,
    dimensions: usize,
    length: usize,
    channels_first: bool,
}

impl Prepared for PreparedEmbedding {
    fn sizes(&self) -> [usize; 2] {
        [self.length, self.length * self.dimensions]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        let Self { vectors, ids, dimensions, length, channels_first } = self;
        if let Some(id) = x.iter().find(|&&id| !(id >= 0. && id < *ids as f32 && id.fract() == 0.)) {
            bail!("the embedding has no vector for id {id}; ids must be whole numbers from 0 to {}", ids - 1)
        }
        for (i, &id) in x.iter().enumerate() {
            let vector = &vectors[id as usize * dimensions..][..*dimensions];
            if *channels_first {
                let (n, position) = (i / length, i % length);
                let channels = y[n * length * dimensions + position..].iter_mut().step_by(*length);
                channels.zip(vector).for_each(|(y, &value)| *y = value);
            } else {
                y[i * dimensions..][..*dimensions].copy_from_slice(vector);
            }
        }
        Ok(())
    }
}
