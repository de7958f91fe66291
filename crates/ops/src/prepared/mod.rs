//! Operators made ready for inference with weights and an input size that stay: the weights are laid out once, in the
//! order the kernels read them, what is between them goes into buffers that are used again, and a batch of one is never
//! handed to another thread and allocates nothing after the first call. (A large batch still does, a little: the matrix
//! product of linear layers and the hand-over to threads have memory of their own.) A [`Chain`] takes a large batch through
//! its parts a few inputs at a time, so that what is between them stays in the cache.
//!
//! They work on plain f32 slices on the CPU; a batch lies in them one input after the other. Weights are taken at
//! construction: what happens to the tensors afterwards changes nothing. Results are those of the functions on tensors
//! up to rounding (3×3 convolutions of stride 1 use a form with fewer multiplications).
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
//! let net = Chain::new(vec![
//!     Box::new(Conv2d::new(&kernels, None, &window, Epilogue::Relu, [1, 28, 28])?),
//!     Box::new(Pool::global_avg([8, 26, 26])?),
//!     Box::new(Linear::new(&classes, None, false)?),
//! ])?;
//!
//! let images = Tensor::randn(0f32, 1., (2, 1, 28, 28), &Device::Cpu)?;
//! let mut logits = [0.; 2 * 10];
//! net.run(&images.flatten_all()?.to_vec1()?, &mut logits)?;
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
pub trait Prepared: Send + Sync {
    /// How many values an input has, and its result.
    fn sizes(&self) -> [usize; 2];

    /// Writes the results for the inputs `x`, of any number, to `y`.
    ///
    /// # Errors
    /// Lengths that are not those of as many inputs and results.
    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()>;

    /// How many inputs and results these are.
    ///
    /// # Errors
    /// Lengths that are not those of as many inputs and results.
    fn batch(&self, x: &[f32], y: &[f32]) -> Result<usize> {
        let [inputs, outputs] = self.sizes();
        let batch = x.len() / inputs.max(1);
        if x.len() != batch * inputs || y.len() != batch * outputs {
            let (x, y) = (x.len(), y.len());
            bail!("prepared for inputs of {inputs} values and results of {outputs}, not for {x} values and {y}")
        }
        Ok(batch)
    }

    /// Whether a few inputs at a time take no longer than many at once. It would for a matrix product, which needs its
    /// weights from memory each time.
    fn takes_few(&self) -> bool {
        true
    }

    /// How many values are at work for an input: those that should be in the cache.
    fn footprint(&self) -> usize {
        self.sizes().iter().sum()
    }

    /// Whether the result is always the input, so that it may be left out.
    fn is_identity(&self) -> bool {
        false
    }
}

impl<P: Prepared + ?Sized> Prepared for Box<P> {
    fn sizes(&self) -> [usize; 2] {
        (**self).sizes()
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        (**self).run(x, y)
    }

    fn takes_few(&self) -> bool {
        (**self).takes_few()
    }

    fn footprint(&self) -> usize {
        (**self).footprint()
    }

    fn is_identity(&self) -> bool {
        (**self).is_identity()
    }
}

/// Runs `f` on a buffer of this length of the thread's own, which is used again and holds whatever was there before.
pub fn scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    crate::cpu::scratch::with([len], |[buffer]| f(buffer))
}

/// The values of a parameter.
fn values(parameter: &Tensor) -> Result<Vec<f32>> {
    if !fast(&[parameter]) {
        let (dtype, device) = (parameter.dtype(), parameter.device());
        bail!("there is a prepared form for f32 on the CPU only, not {dtype:?} on {device:?}: use the plain one")
    }
    Ok(read(&parameter.contiguous()?)?.to_vec())
}
