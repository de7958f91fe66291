//! Image data sets for [candle](https://github.com/huggingface/candle), ready for training: pixels as bytes, batches
//! as standardised tensors, every random choice a function of its seed.
//!
//! - [`load`] reads `mnist-mini` (embedded), `mnist`, `fashion-mnist`, `cifar10` and image folders. A bad file gives one
//!   [`DatasetError`] that names it; a header is believed only as far as the file bears it out.
//! - [`Images`] holds one split. [`Images::stratified_split`] takes a validation set out of it,
//!   [`Images::stratified_subset`] a smaller training set, [`Images::batches`] turns it into `(n, C, H, W)` tensors.
//! - A [`Canvas`] sets the images into larger ones, in the middle or somewhere among clutter, and says where: an [`Object`]
//!   is a tight box and the exact pixels.
//! - [`grid`] and [`save_grid`] lay images out, a row per class, to be looked at.
//!
//! ```
//! use candle_core::Device;
//! use datasets::{DatasetId, LoadOptions, Order, Standardization, load};
//!
//! let data = load(&DatasetId::MnistMini, &LoadOptions::default())?;
//! let (train, validation) = data.train.stratified_split(1_000, 0)?;
//! assert_eq!((train.len(), validation.len(), data.test.len()), (9_000, 1_000, 2_000));
//!
//! let standardization = Standardization::of(&train);
//! let order = Order::Shuffled { seed: 1, epoch: 0 };
//! let mut batches = train.batches(64, order, &standardization, &Device::Cpu);
//! assert_eq!(batches.len(), 141); // the last one holds the 40 images left over
//! let (images, labels) = batches.next().expect("141 batches")?;
//! assert_eq!((images.dims(), labels.dims()), (&[64, 1, 28, 28][..], &[64][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batches;
mod canvas;
mod cifar;
mod dataset;
mod error;
mod folder;
mod grid;
#[cfg(any(test, feature = "hub"))]
mod hub;
mod idx;
mod images;
mod object;
mod order;
mod place;
mod scatter;
mod source;
mod stratified;

pub use batches::Standardization;
pub use canvas::{Canvas, Placed};
pub use dataset::{Dataset, DatasetId, LoadOptions, load};
pub use error::DatasetError;
pub use grid::{grid, save_grid};
pub use images::Images;
pub use object::Object;
pub use order::Order;
pub use source::SourceFile;
