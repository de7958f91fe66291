use candle_core::{Result, Tensor, bail};
use ops::prepared::Prepared;

use crate::{
    description::Description,
    graph::{Graph, Value},
    prepared::prepare_with,
};

/// The purpose of a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Training: batch normalisation uses the statistics of the batch, and dropout drops.
    Train {
        /// The seed of the dropout masks.
        seed: u64,
        /// The number of the training step: each step has its own masks.
        step: u64,
    },
    /// Evaluation with gradients, as class maps and tests need it: batch normalisation uses its running statistics, and
    /// dropout does nothing.
    Eval,
    /// Evaluation without gradients: as [`Mode::Eval`], but the parameters are detached, so nothing is kept for a backward
    /// pass.
    Inference,
}

impl Mode {
    /// Returns the parameter, detached from the graph in [`Mode::Inference`].
    pub fn parameter(self, parameter: &Tensor) -> Tensor {
        if self == Mode::Inference { parameter.detach() } else { parameter.clone() }
    }
}

/// A part of a network that computes and describes itself.
///
/// Two methods make a layer that works wherever a built-in one does:
///
/// ```
/// use candle_core::{DType, Device, Result, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use layers::{Description, Layer, Mode, Stack};
///
/// struct Sine;
///
/// impl Layer for Sine {
///     fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
///         xs.sin()
///     }
///
///     fn describe(&self, input: &[usize]) -> Result<Description> {
///         Ok(Description::pointwise("Sine", input.to_vec()))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let net = Stack::new(&[3, 8, 8], vb).conv(4, 3).layer(|_, _| Ok(Sine)).flatten().linear(2).build()?;
/// assert_eq!(net.describe(&[3, 8, 8])?.output, [2]);
/// # Ok(())
/// # }
/// ```
pub trait Layer: Send + Sync {
    /// Computes the output for a batch.
    ///
    /// # Errors
    /// Fails if the layer does not take the shape of `xs`.
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor>;

    /// Computes the output like [`forward`](Self::forward), and calls `visit` with the output of each part and the path of
    /// that part, as [`describe`](Self::describe) names it. By default the layer has no parts.
    ///
    /// The parts are computed one by one, which is slower than in `forward` and may round differently.
    ///
    /// # Errors
    /// Those of [`forward`](Self::forward).
    fn forward_parts(&self, xs: &Tensor, mode: Mode, visit: &mut dyn FnMut(&str, &Tensor)) -> Result<Tensor> {
        let _ = visit;
        self.forward(xs, mode)
    }

    /// Describes the layer for an input of this shape (without the batch axis), without computing anything.
    ///
    /// # Errors
    /// Fails if the layer does not take this shape.
    fn describe(&self, input: &[usize]) -> Result<Description>;

    /// Prepares the layer for inference on inputs of this shape (without the batch axis), in f32 on the CPU.
    ///
    /// The result computes what [`Mode::Inference`] does, up to rounding, but faster for small batches. Prepare
    /// again after training: kernels read a copy of the weights. By default the prepared form makes tensors and calls
    /// [`Layer::forward`].
    ///
    /// # Errors
    /// Fails if the layer does not take this shape, or its weights are not f32 on the CPU.
    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let output = self.describe(input)?.output.iter().product();
        Ok(prepare_with(input, output, |xs| self.forward(xs, Mode::Inference)))
    }

    /// Adds the layer, as it computes in [`Mode::Inference`], to a graph of operators, and returns its output.
    ///
    /// `xs` is the layer's input, whose shape is `input` (without the batch axis). The graph takes batches of any size, and
    /// may be run on larger or smaller images than that. A layer of another crate can only be exported if it implements
    /// this method.
    ///
    /// # Errors
    /// Fails if the layer has no such form, or does not take this shape.
    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let _ = (graph, xs);
        let layer = std::any::type_name::<Self>();
        bail!("{layer} cannot be exported for an input of {input:?}; it would have to implement `Layer::export`")
    }
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        (**self).forward(xs, mode)
    }

    fn forward_parts(&self, xs: &Tensor, mode: Mode, visit: &mut dyn FnMut(&str, &Tensor)) -> Result<Tensor> {
        (**self).forward_parts(xs, mode, visit)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        (**self).describe(input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        (**self).prepare(input)
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        (**self).export(input, graph, xs)
    }
}
