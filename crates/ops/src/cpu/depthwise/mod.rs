//! Depthwise 2-d convolution, one kernel per channel, computed plane by plane; see [`super::planes`].

mod backward;
mod forward;
mod shape;

pub use backward::backward;
pub use forward::{forward, forward_with_sums};
pub use shape::DepthwiseShape;
