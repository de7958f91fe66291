//! 1×1 convolutions of stride 1 without padding: a matrix product over channels that reads and writes planes as they
//! are, `y (C_out × P) = W (C_out × C_in) · x (C_in × P)` with P positions. Backward, `dx = Wᵀ · dy` is the same product;
//! the gradient of the weights is a [direct](super::direct) one. Where a feature map is channels last, the direct algorithm
//! computes both passes.

mod backward;
mod forward;
mod images_per_call;
mod product;

pub use backward::Conv1x1Backward;
pub use forward::{Conv1x1Forward, supports};
