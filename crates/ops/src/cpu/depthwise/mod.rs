//! Depthwise 2-d convolution, one kernel per channel, computed channels last.

mod backward;
mod forward;
mod pixels;
mod shape;

pub use backward::backward;
pub use forward::{DepthwiseForward, forward, forward_with_sums};
pub use shape::DepthwiseShape;
