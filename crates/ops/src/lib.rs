//! Operators for candle in the style of `torch.nn.functional`: free functions on tensors that give PyTorch's results
//! and PyTorch's gradients for every kernel, stride, padding, dilation and size.
//!
//! Candle's own pooling gradients are wrong (scaled by the window, misaligned at odd sizes, sent to every tied
//! maximum), its ReLU has gradient 1 at zero, and its convolutions on the CPU are slow. This crate replaces them:
//!
//! - For f32 on the CPU an operator runs kernels written for it. They are parallel over the batch, and their results
//!   are equal to the bit on any number of threads and on every CPU with the same [instruction set](instruction_set).
//! - For f16 and bf16 on the CPU the same kernels compute in f32, and the result is converted back.
//! - For any other type or device an operator is composed of candle operators whose gradients are exact (see
//!   [`composed`]). That is slower, but never wrong.
//!
//! # Example
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use ops::Window;
//!
//! # fn main() -> candle_core::Result<()> {
//! let x = Var::from_tensor(&Tensor::arange(0f32, 121., &Device::Cpu)?.reshape((1, 1, 11, 11))?)?;
//! let y = ops::max_pool2d(&x, &Window::pool(2))?;
//! assert_eq!(y.dims(), [1, 1, 5, 5]);
//! // Each of the 25 windows passes a gradient of 1 to its maximum, although 2 does not divide 11.
//! let dx = y.sum_all()?.backward()?.remove(&x).unwrap();
//! assert_eq!(dx.sum_all()?.to_scalar::<f32>()?, 25.);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod activation;
mod attention;
mod backward;
mod batch_norm;
mod blocks;
pub mod composed;
mod conv;
mod conv_config;
mod conv_dense;
mod conv_max;
mod conv_norm;
mod cpu;
mod depthwise;
mod dilation;
mod embedding_conv;
mod linear;
mod loss;
pub mod optimizer;
mod parameterised;
mod pool;
mod pool_global;
mod pool_operator;
mod precision;
pub mod prepared;
pub mod schedule;
mod sizes;
mod tape;
mod weighted;
mod window;

pub use activation::{add_relu, elu, relu, softmax};
pub use attention::{GatedAttention, gated_attention, gated_attention_pool};
pub use backward::backward;
pub use batch_norm::{BatchStatistics, batch_norm, batch_norm_train};
pub use blocks::{Block, ConvEpilogue, blocks_train, conv_batch_norm_train, residual_conv_batch_norm_train};
pub use conv::{conv1d, conv2d, conv2d_relu, conv2d_relu_max_pool};
pub use conv_config::{Conv1dConfig, Conv2dConfig};
pub use conv_max::conv1d_max;
pub use conv_norm::{ConvBatchNorm, Projection};
pub use cpu::{epilogue::Epilogue, instruction_set, parallel::keep_threads_awake};
pub use depthwise::{depthwise_conv2d, depthwise_conv2d_relu};
pub use embedding_conv::{
    EmbeddingConv1d, embedding_conv1d, embedding_conv1d_batch_norm_max, embedding_conv1d_batch_norm_max_train,
    embedding_conv1d_max,
};
pub use linear::{flatten_linear, linear, linear_relu};
pub use loss::{bce_with_logits, cross_entropy, cross_entropy_smoothed};
pub use pool::{
    adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d, spatial_pyramid_pool,
};
pub use pool_global::{gem_pool, global_avg_max_pool, global_avg_pool, global_max_pool, lse_pool};
pub use sizes::check_memory;
pub use tape::Tape;
pub use window::Window;

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
