//! Neural-network layers for candle that know what they are: each [`Layer`] computes, and describes its output shape,
//! its parameters, its multiply-accumulates and its receptive field without computing anything.
//!
//! Parameters come from candle's `VarBuilder` under the names PyTorch's `state_dict` has, with PyTorch's default
//! distributions as initialisation hints, so weights travel both ways as safetensors.
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

mod activation;
mod batch_norm;
mod conv;
mod depthwise;
mod description;
mod dropout;
mod layer;
mod linear;
mod normalised;
mod pool;
mod prepared;
mod residual;
mod rng;
mod sequential;
mod stack;
mod step_counter;

pub use activation::{Flatten, Relu};
pub use batch_norm::{BatchNorm, BatchNormConfig};
pub use conv::{Conv1d, Conv2d, Conv2dConfig};
pub use depthwise::DepthwiseConv2d;
pub use description::{Description, ReceptiveField};
pub use dropout::Dropout;
pub use layer::{Layer, Mode};
pub use linear::{Linear, uniform};
pub use normalised::Normalised;
pub use ops::Projection;
pub use ops::Window;
pub use ops::prepared::Prepared;
pub use pool::{AvgPool2d, MaxPool2d};
pub use prepared::{plain, volume};
pub use residual::{PaddedIdentity, Residual};
pub use rng::rng;
pub use sequential::Sequential;
pub use stack::Stack;
pub use step_counter::StepCounter;
