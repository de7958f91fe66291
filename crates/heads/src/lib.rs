//! Classifier heads for candle: what turns a feature map into logits. Flatten + fully connected, global average and
//! maximum pooling, and their relatives, all behind one type, on (N, C, L) and (N, C, H, W) features alike.
//!
//! A head on any feature map, one training step, and where the network looks:
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use candle_nn::{Optimizer, SGD, VarBuilder, VarMap};
//! use heads::{Head, HeadConfig, Layer, Mode, Reduction};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let variables = VarMap::new();
//! let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
//! let config: HeadConfig = "gap".parse()?;
//! let head = Head::new(&config, &[64, 5, 5], 10, vb.pp("classifier"))?;
//! assert_eq!(head.describe(&[64, 5, 5])?.params, 650);
//!
//! let features = Tensor::ones((8, 64, 5, 5), DType::F32, &Device::Cpu)?;
//! let targets = Tensor::zeros(8, DType::U32, &Device::Cpu)?;
//! let logits = head.forward(&features, Mode::Train { seed: 0, step: 0 })?;
//! let loss = ops::cross_entropy(&logits, &targets)?;
//! SGD::new(variables.all_vars(), 0.1)?.backward_step(&loss)?;
//!
//! let evidence = head.class_maps(&features)?;
//! assert_eq!(evidence.maps.dims(), [8, 10, 5, 5]);
//! assert_eq!(evidence.reduction, Reduction::Mean); // the logits are the means of the maps, plus the bias
//!
//! // For inference on features of one size.
//! let prepared = head.prepare(&[64, 5, 5])?;
//! let mut logits = [0.; 8 * 10];
//! prepared.run(&features.flatten_all()?.to_vec1()?, &mut logits)?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod attention;
mod config;
mod evidence;
mod fully_connected;
mod global;
mod head;
mod mixture;
mod pointwise;
mod pool_linear;
mod pyramid;
mod smooth_maximum;

pub use config::{HeadConfig, ParseHeadError, parse_list};
pub use evidence::{Evidence, Reduction};
pub use head::Head;
pub use layers::{Description, Layer, Mode, Prepared};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
