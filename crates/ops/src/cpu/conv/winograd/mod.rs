//! Winograd's minimal filtering F(m×m, 3×3): 3×3 convolutions of stride 1 with fewer multiplications than their
//! definition (Lavin & Gray 2015, arXiv 1509.09308). A tile of m×m outputs takes (m + 2)² multiplications per pair of
//! channels: 16 instead of 36 for m = 2 ([`F2`]), 36 instead of 144 for m = 4 ([`F4`]).
//!
//! The output is cut into tiles of m×m; a tile sees (m + 2)×(m + 2) pixels. With d the pixels of one input channel and g
//! the weights of a pair of channels, for each of the (m + 2)² elements of a transformed tile:
//!
//! | forward | backward, its exact adjoint |
//! | --- | --- |
//! | `V = Bᵀ d B`, `U = G g Gᵀ` | `dM = A dY Aᵀ` |
//! | `M = Σ over C_in of V · U` | `dU = Σ over tiles of V · dM`, `dV = Σ over C_out of dM · U` |
//! | `Y = Aᵀ M A` | `dd = B dV Bᵀ`, `dg = Gᵀ dU G` |
//!
//! The middle line is a matrix product (tiles × channels) · (channels × channels) for each element of a tile. It is
//! computed for a chunk of tiles at a time, so that the transformed tiles stay in the second-level cache. Small images
//! share a chunk.

mod backward;
mod forward;
mod in_image;
mod product;
mod stages;
mod tiling;
mod transforms;
mod weight_gradient;
mod weights;

pub use backward::WinogradBackward;
pub use forward::WinogradForward;
pub use tiling::{LEAST_CHANNELS_OF_F4, multiplications, supports};
pub use transforms::{F2, F4};
