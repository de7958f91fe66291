#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod augmentation;
mod batches;
mod canvas;
mod checksum;
mod cifar;
mod dataset;
mod error;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
mod grid;
#[cfg(any(test, feature = "hub"))]
mod hub;
mod id;
mod idx;
mod image_file;
mod images;
mod load;
mod object;
mod order;
mod pairs;
mod place;
mod placed;
mod printable;
mod random;
mod raw_file;
mod scatter;
mod shape;
mod source;
mod splits;
mod standardization;
mod stratified;

pub use augmentation::Augmentation;
pub use canvas::Canvas;
pub use checksum::FileChecksum;
pub use dataset::Dataset;
pub use error::DatasetError;
pub use grid::{grid, save_grid};
pub use id::DatasetId;
pub use image_file::ImageFile;
pub use images::{Images, MAX_SIDE};
pub use load::{LoadOptions, load};
pub use object::Object;
pub use order::Order;
pub use pairs::{
    Drug, FINGERPRINT_BITS, Interaction, PairOptions, PairProblem, PairSplit, Pairs, PlantedMotifs, Protein, RESIDUES,
};
pub use placed::Placed;
pub use printable::printable;
pub use shape::Shape;
pub use splits::{Resampling, SplitOptions, Splits};
pub use standardization::Standardization;
