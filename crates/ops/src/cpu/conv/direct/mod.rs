//! Direct convolution as implicit im2col: the three matrix products of im2col, without the patch matrix.
//!
//! Pooled convolutions of one channel have a kernel of their own ([`pooled_rows`]), and so has the gradient of few pooled channels'
//! weights ([`pooled_gradient`]).
//!
//! Each image is copied once into a padded, channels-last buffer. There the values that a kernel row sees, (kw, C_in),
//! are contiguous, so the micro-kernel reads all operands in place. With P output positions and K = kh·kw·C_in:
//!
//! | product | rows | columns | sum over |
//! | --- | --- | --- | --- |
//! | `y = patches · Wᵀ` | positions | output channels | K |
//! | `dW = patchesᵀ · dy` | K | output channels | positions |
//! | `dpatches = dy · W`, added to dx | positions | values of a patch | output channels |
//!
//! The cost of im2col, writing and reading K · P values, becomes one of C_in · H · W values.

mod backward;
mod forward;
mod pooled_gradient;
mod pooled_rows;

pub use backward::{DirectBackward, DirectBackwardKernel};
pub use forward::DirectForward;
