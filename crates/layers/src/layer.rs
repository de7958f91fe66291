use crate::Description;
use candle_core::{Result, Tensor};

/// What a forward pass is for. "Not training" is two things: evaluation that gradients may flow through (class maps,
/// tests), and inference without a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout; the masks are a pure function of seed, step and the layer's path.
    Train { seed: u64, step: u64 },
    /// Running statistics, no dropout; gradients flow.
    Eval,
    /// As `Eval`, but parameters take part in no graph: nothing is kept for a backward pass.
    Inference,
}

impl Mode {
    /// A parameter as this mode sees it.
    pub fn parameter(self, parameter: &Tensor) -> Tensor {
        if self == Mode::Inference { parameter.detach() } else { parameter.clone() }
    }
}

/// A part of a network that computes and describes itself.
pub trait Layer: Send + Sync {
    /// The result for a batch `xs`.
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor>;

    /// What the layer makes of an `input` of this shape (without the batch axis), without computing it.
    ///
    /// # Errors
    /// A shape the layer does not take.
    fn describe(&self, input: &[usize]) -> Result<Description>;
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        (**self).forward(xs, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        (**self).describe(input)
    }
}
