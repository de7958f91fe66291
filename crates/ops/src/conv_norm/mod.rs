//! Convolutions with batch normalisation in training, several of them as one operator.
//!
//! The result of a convolution is written once. Its batch statistics are summed while it is written, and it is
//! normalised while the next convolution reads it; the backward pass does the same in reverse.

mod convolution;
mod layer;
mod residual;
mod sequence;
mod step;

pub use layer::ConvBatchNorm;
pub(crate) use layer::Nchw;
pub use residual::Projection;
pub(crate) use residual::Residual;
pub(crate) use sequence::Sequence;
pub(crate) use step::Step;
