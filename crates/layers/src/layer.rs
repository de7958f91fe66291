use crate::prepared::plain;
use crate::{Description, Normalised, Prepared, Projection};
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

    /// What the layer computes in training, if that is a convolution with batch normalisation: several of them in a row
    /// are one operator.
    fn normalised(&self) -> Option<Normalised<'_>> {
        None
    }

    /// What the layer computes, if that is a convolution and nothing else: as the shortcut of a residual block it is part of
    /// that block's operator.
    fn projection(&self) -> Option<Projection<'_>> {
        None
    }

    /// The layer made ready for inference on inputs of this shape (without the batch axis), f32 on the CPU: the same
    /// function as [`Mode::Inference`], faster for small batches. Weights are taken now: prepare again after training.
    ///
    /// A layer that has no such form of its own is called as it is, with tensors made for each call.
    ///
    /// # Errors
    /// A shape the layer does not take, or weights that are not f32 on the CPU.
    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let output = self.describe(input)?.output.iter().product();
        Ok(plain(input, output, |xs| self.forward(xs, Mode::Inference)))
    }
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        (**self).forward(xs, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        (**self).describe(input)
    }

    fn normalised(&self) -> Option<Normalised<'_>> {
        (**self).normalised()
    }

    fn projection(&self) -> Option<Projection<'_>> {
        (**self).projection()
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        (**self).prepare(input)
    }
}
