//! Operators for candle, in the style of `torch.nn.functional`: free functions on tensors whose results and
//! gradients are PyTorch's, for any kernel, stride, padding and size.
//!
//! Candle's own pooling gradients are wrong (scaled by the window, misaligned at odd sizes, sent to every tie), its
//! ReLU has gradient 1 at zero, and its CPU convolutions are slow. These operators replace them:
//!
//! * On the CPU in f32 they are custom operators with kernels of their own (`src/cpu`), parallel over the batch and
//!   equal to the bit on any number of threads.
//! * On any other device or type they are compositions of candle operators with exact gradients ([`composed`]):
//!   slower, never wrong.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use ops::Window;
//!
//! # fn main() -> candle_core::Result<()> {
//! let x = Var::from_tensor(&Tensor::arange(0f32, 121., &Device::Cpu)?.reshape((1, 1, 11, 11))?)?;
//! let y = ops::max_pool2d(&x, &Window::pool(2))?;
//! assert_eq!(y.dims(), [1, 1, 5, 5]);
//! // One gradient of 1 for each of the 25 windows, odd size or not.
//! let dx = y.sum_all()?.backward()?.remove(&x).unwrap();
//! assert_eq!(dx.sum_all()?.to_scalar::<f32>()?, 25.);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod activation;
mod batch_norm;
pub mod composed;
mod conv;
mod conv_norm;
mod cpu;
mod depthwise;
mod linear;
mod loss;
mod pool;
mod pool_global;
pub mod prepared;
mod weighted;
mod window;

pub use activation::{add_relu, relu, softmax};
pub use batch_norm::{BatchStatistics, batch_norm, batch_norm_train};
pub use conv::{Epilogue, conv1d, conv2d, conv2d_relu, conv2d_relu_max_pool};
pub use conv_norm::{ConvBatchNorm, Projection, conv_batch_norm_train, residual_conv_batch_norm_train};
pub use cpu::instruction_set;
pub use depthwise::{depthwise_conv2d, depthwise_conv2d_relu};
pub use linear::{linear, linear_relu};
pub use loss::{bce_with_logits, cross_entropy};
pub use pool::{adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d};
pub use pool_global::{gem_pool, global_avg_pool, global_max_pool, lse_pool};
pub use window::Window;

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
