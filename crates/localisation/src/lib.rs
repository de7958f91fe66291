#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod boxes;
mod histogram;
mod pixel_map;
mod ridge;
mod score;
mod threshold;

pub use boxes::Box2d;
pub use histogram::PixelHistogram;
pub use pixel_map::{PixelMap, Upsampling};
pub use ridge::{Position, Products, explained_variance, predict_positions};
pub use score::{MIN_OVERLAP, Score};
pub use threshold::ThresholdSearch;
