//! Operators made ready for inference with weights and an input size that stay: the weights are laid out once, in the
//! order the kernels read them, results go into buffers that are used again, and a batch of one is never handed to
//! another thread and allocates nothing after the first call. (A large batch still does, a little: the matrix product of
//! linear layers and the hand-over to threads have memory of their own.)
//!
//! They work on plain f32 slices on the CPU; a batch lies in them one input after the other. Weights are taken at
//! construction: what happens to the tensors afterwards changes nothing. Results are those of the functions on tensors
//! up to the order of summation.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use ops::prepared::{Chain, Conv2d, Linear, Pool, Prepared};
//! use ops::{Epilogue, Window};
//!
//! # fn main() -> candle_core::Result<()> {
//! let kernels = Tensor::randn(0f32, 1., (8, 1, 3, 3), &Device::Cpu)?;
//! let classes = Tensor::randn(0f32, 1., (10, 8), &Device::Cpu)?;
//! let window = Window::square(3).stride(1);
//! let mut net = Chain::new(vec![
//!     Box::new(Conv2d::new(&kernels, None, &window, Epilogue::Relu, [1, 28, 28])?),
//!     Box::new(Pool::global_avg([8, 26, 26])?),
//!     Box::new(Linear::new(&classes, None, false)?),
//! ]);
//!
//! let images = Tensor::randn(0f32, 1., (2, 1, 28, 28), &Device::Cpu)?;
//! let mut logits = Vec::new();
//! net.run(2, &images.flatten_all()?.to_vec1()?, &mut logits)?;
//!
//! let plain = ops::linear(&ops::global_avg_pool(&ops::conv2d_relu(&images, &kernels, None, &window)?)?, &classes, None)?;
//! let plain: Vec<f32> = plain.flatten_all()?.to_vec1()?;
//! assert!(logits.iter().zip(plain).all(|(a, b)| (a - b).abs() < 1e-4));
//! # Ok(())
//! # }
//! ```

mod chain;
mod conv;
mod linear;
mod pointwise;
mod pool;

pub use chain::Chain;
pub use conv::{Conv2d, DepthwiseConv2d};
pub use linear::Linear;
pub use pointwise::{Identity, Relu, add_relu};
pub use pool::Pool;

use crate::cpu::{fast, read};
use candle_core::{Result, Tensor, bail};

/// A part of a network, ready for inference.
pub trait Prepared: Send {
    /// Writes the results for `batch` inputs `x` to `y`, which gets their length.
    ///
    /// # Errors
    /// An `x` of another length than `batch` inputs have.
    fn run(&mut self, batch: usize, x: &[f32], y: &mut Vec<f32>) -> Result<()>;

    /// Whether the result is always the input, so that it may be left out.
    fn is_identity(&self) -> bool {
        false
    }
}

/// Gives `y` the length of `batch` results if `x` has that of as many inputs.
fn fit(batch: usize, x: &[f32], inputs: usize, y: &mut Vec<f32>, outputs: usize) -> Result<()> {
    if x.len() != batch * inputs {
        bail!("prepared for inputs of {inputs} values: a batch of {batch} can't have {}", x.len())
    }
    y.resize(batch * outputs, 0.);
    Ok(())
}

/// The values of a parameter.
fn values(parameter: &Tensor) -> Result<Vec<f32>> {
    if !fast(&[parameter]) {
        let (dtype, device) = (parameter.dtype(), parameter.device());
        bail!("there is a prepared form for f32 on the CPU only, not {dtype:?} on {device:?}: use the plain one")
    }
    Ok(read(&parameter.contiguous()?)?.to_vec())
}
