//! Neural-network layers for candle that compute what PyTorch's compute and describe themselves.
//!
//! - A [`Layer`] computes its output, and describes its output shape, parameters, multiply-accumulates and receptive field
//!   without computing anything. It can also be prepared for fast inference on inputs of one size, and
//!   exported as a graph of ONNX's operators.
//! - A [`Stack`] builds a network module by module and tracks the shape.
//! - Parameters come from candle's `VarBuilder` under the names of PyTorch's `state_dict` and with PyTorch's default
//!   initialisation.
//!
//! The first axis of every tensor is the batch, the second one the channels. Shapes of descriptions leave the batch out.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use candle_nn::{VarBuilder, VarMap};
//! use layers::{Layer, Mode, Stack};
//!
//! # fn main() -> candle_core::Result<()> {
//! let variables = VarMap::new();
//! let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
//! let net = Stack::new(&[1, 28, 28], vb).conv(32, 3).relu().max_pool(2).conv(64, 3).relu().max_pool(2).build()?;
//!
//! let description = net.describe(&[1, 28, 28])?;
//! assert_eq!(description.output, [64, 5, 5]);
//! assert_eq!(description.params, 18_816);
//! assert_eq!(description.receptive_field.unwrap()[0].size, 10);
//!
//! let xs = Tensor::zeros((8, 1, 28, 28), DType::F32, &Device::Cpu)?;
//! assert_eq!(net.forward(&xs, Mode::Inference)?.dims(), [8, 64, 5, 5]);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch_norm;
mod conv1d;
mod conv2d;
mod depthwise_conv2d;
mod description;
mod dropout;
mod elu;
mod embedded;
mod embedding;
mod flatten;
mod fused_conv;
mod fusion;
mod global_pool;
pub mod graph;
mod init;
mod layer;
mod linear;
mod padded_identity;
mod parallel;
mod pool1d;
mod pool2d;
mod prepared;
mod receptive_field;
mod relu;
mod residual;
mod rng;
mod sequential;
mod stack;
mod step_counter;
mod training_block;
mod window_text;

pub use batch_norm::{BatchNorm, BatchNormOptions};
pub use conv1d::{Conv1d, Conv1dOptions};
pub use conv2d::{Conv2d, Conv2dOptions};
pub use depthwise_conv2d::DepthwiseConv2d;
pub use description::Description;
pub use dropout::{Dropout, SpatialDropout};
pub use elu::Elu;
pub use embedded::Embedded;
pub use embedding::{Embedding, EmbeddingOptions};
pub use flatten::Flatten;
pub use global_pool::{GlobalAvgPool, GlobalMaxPool};
pub use init::uniform;
pub use layer::{Layer, Mode};
pub use linear::Linear;
pub use ops::{Window, prepared::Prepared};
pub use padded_identity::PaddedIdentity;
pub use parallel::Parallel;
pub use pool1d::{AvgPool1d, MaxPool1d, Pool1dOptions};
pub use pool2d::{AvgPool2d, MaxPool2d};
pub use prepared::{image_shape, prepare_with};
pub use receptive_field::ReceptiveField;
pub use relu::Relu;
pub use residual::Residual;
pub use rng::rng;
pub use sequential::Sequential;
pub use stack::Stack;
pub use step_counter::StepCounter;

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
