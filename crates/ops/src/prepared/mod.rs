//! Operators prepared for inference: the weights and the size of an input are fixed, a batch may have any number of
//! inputs.
//!
//! - The weights are copied at construction into the order in which the kernels read them. Later changes of the tensors
//!   have no effect.
//! - Operators work on plain f32 slices on the CPU. A batch lies in them one input after the other.
//! - Intermediate results lie in buffers that are reused: a batch of one allocates nothing after the first call.
//! - A [`Chain`] takes a large batch through its operators a few inputs at a time, so that intermediate results stay in
//!   the cache. A batch of little work stays on its thread. A batch of one shares only convolutions of much work: dense
//!   ones between two threads, depthwise separable ones between all. The results have the same bits however the work is
//!   divided.
//!
//! Results are those of the functions on tensors up to rounding: 3×3 convolutions with stride 1 use an algorithm with
//! fewer multiplications.
//!
//! # Example
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use ops::prepared::{Chain, Conv2d, Linear, Pool, Prepared};
//! use ops::{Epilogue, Window};
//!
//! # fn main() -> candle_core::Result<()> {
//! let kernels = Tensor::randn(0f32, 1., (8, 1, 3, 3), &Device::Cpu)?;
//! let classes = Tensor::randn(0f32, 1., (10, 8), &Device::Cpu)?;
//! let window = Window::conv(3);
//! let network = Chain::new(vec![
//!     Box::new(Conv2d::new(&kernels, None, &window, Epilogue::Relu, [1, 28, 28])?),
//!     Box::new(Pool::global_avg([8, 26, 26])?),
//!     Box::new(Linear::new(&classes, None, false)?),
//! ])?;
//!
//! let images = Tensor::randn(0f32, 1., (2, 1, 28, 28), &Device::Cpu)?;
//! let mut logits = [0.; 2 * 10];
//! network.run(&images.flatten_all()?.to_vec1()?, &mut logits)?;
//!
//! let features = ops::global_avg_pool(&ops::conv2d_relu(&images, &kernels, None, &window.into())?)?;
//! let expected: Vec<f32> = ops::linear(&features, &classes, None)?.flatten_all()?.to_vec1()?;
//! assert!(logits.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4));
//! # Ok(())
//! # }
//! ```

mod attention;
mod chain;
mod conv;
mod elementwise;
mod linear;
mod memory;
mod operator;
mod pool;
mod separable;
mod smooth_maximum;

pub use attention::GatedAttentionPool;
pub use chain::Chain;
pub use conv::{Conv2d, DepthwiseConv2d};
pub use elementwise::{Elu, Identity, Relu, add_relu, transpose};
pub use linear::Linear;
pub use memory::scratch;
pub use operator::Prepared;
pub use pool::Pool;
pub use separable::{ConvLayer, SeparableConvs};
pub use smooth_maximum::SmoothMaximum;
