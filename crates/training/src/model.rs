use candle_core::{Result, Tensor, bail};
use layers::{Layer, Mode};

/// A network that [`fit`](crate::fit) trains and [`evaluate`](crate::evaluate) measures.
///
/// Every [`Layer`] is a model with one input. A network with several inputs, or one built of other layers, such as
/// those of candle-nn, implements this trait itself:
///
/// ```
/// use candle_core::{Result, Tensor, bail};
/// use candle_nn::{Linear, Module};
/// use training::{Mode, Model};
///
/// /// Predicts whether a protein binds a drug, from the concatenated features of both.
/// struct Binding {
///     protein: Linear,
///     drug: Linear,
///     output: Linear,
/// }
///
/// impl Model for Binding {
///     fn forward(&self, inputs: &[Tensor], _mode: Mode) -> Result<Tensor> {
///         let [protein, drug] = inputs else {
///             bail!("expected a protein and a drug, not {} inputs", inputs.len())
///         };
///         let features = Tensor::cat(&[self.protein.forward(protein)?, self.drug.forward(drug)?], 1)?;
///         self.output.forward(&features.relu()?)
///     }
/// }
/// ```
pub trait Model {
    /// Computes the outputs for a batch, such as logits.
    ///
    /// # Shapes
    /// `inputs` as in [`Batch::inputs`](crate::Batch::inputs) → the outputs, samples along the first axis, as the
    /// [`Loss`](crate::Loss) takes them.
    ///
    /// While [`fit`](crate::fit) calls it, an [`ops::Tape`] is recording. Gradients that the model itself computes here need a
    /// tape of their own.
    ///
    /// # Errors
    /// Inputs whose number or shapes do not fit the model.
    fn forward(&self, inputs: &[Tensor], mode: Mode) -> Result<Tensor>;
}

impl<L: Layer + ?Sized> Model for L {
    fn forward(&self, inputs: &[Tensor], mode: Mode) -> Result<Tensor> {
        match inputs {
            [xs] => Layer::forward(self, xs, mode),
            _ => bail!("a layer takes 1 input, the batch has {}; implement `Model` for several inputs", inputs.len()),
        }
    }
}
