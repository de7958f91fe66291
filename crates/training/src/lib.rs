//! Trains candle models so that a run can be repeated to the bit: seeded initialisation, optimisers and schedules
//! that are PyTorch's, the fit loop and evaluation.
//!
//! * [`Parameters`] is the store behind candle's `VarBuilder`. Each parameter is drawn from a stream of its own, seeded
//!   by its name, so a backbone starts from the same weights whatever head it carries.
//! * [`OptimizerConfig`] (SGD, AdamW) and [`Schedule`] (constant, one-cycle, cosine) are plain values that serde reads;
//!   [`Optimizer`] applies them in one pass over the parameters.
//! * [`fit`] trains, [`evaluate`] measures. A loss that is no longer finite ends the run and is reported as such.
//!
//! ```
//! use candle_core::{Device, Result, Tensor};
//! use layers::Stack;
//! use training::{Event, FitConfig, Length, OptimizerConfig, Parameters, Schedule, evaluate, fit};
//!
//! # fn main() -> Result<()> {
//! let parameters = Parameters::seeded(0, &Device::Cpu);
//! let model = Stack::new(&[2], parameters.builder()).linear(2).build()?;
//!
//! // Two points, one of each class, as one batch per epoch.
//! let xs = Tensor::new(&[[1f32, 0.], [0., 1.]], &Device::Cpu)?;
//! let targets = Tensor::new(&[0u32, 1], &Device::Cpu)?;
//! let batches = |_epoch| std::iter::once(Ok((xs.clone(), targets.clone())));
//!
//! let config = FitConfig {
//!     length: Length::Epochs(50),
//!     seed: 0,
//!     lr: 0.1,
//!     schedule: Schedule::one_cycle(),
//!     optimizer: OptimizerConfig::adamw(),
//! };
//! let outcome = fit(&model, &parameters, batches, &config, |event| {
//!     if let Event::Epoch(report) = event {
//!         println!("epoch {}: loss {:.4}", report.epoch, report.train_loss);
//!     }
//!     Ok(())
//! })?;
//! assert!(outcome.diverged.is_none());
//! assert_eq!(evaluate(&model, batches(0))?.top1, 1.);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod evaluate;
mod fit;
mod init;
mod optimizer;
mod parameters;
mod schedule;
mod weights;

pub use evaluate::{Evaluation, evaluate, predictions};
pub use fit::{Diverged, EpochReport, Event, FitConfig, FitOutcome, Length, fit};
pub use optimizer::{Optimizer, OptimizerConfig};
pub use parameters::Parameters;
pub use schedule::Schedule;
