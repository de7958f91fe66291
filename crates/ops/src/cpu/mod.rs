//! CPU kernels on plain f32 slices. They know nothing of tensors and autograd: the operators that call them are the
//! files one folder up.
//!
//! Two rules hold for all of them:
//!
//! * Results have the same bits on any number of threads and on every CPU with the same instruction set. Partial sums
//!   are of pieces whose sizes follow from the shapes alone ([`parallel`]), and are added in a fixed order
//!   ([`image_groups`]); no size depends on a cache.
//! * Hot loops are compiled once for each instruction set, and the one to run is chosen at run time: they are
//!   functions declared with `vectorised!` ([`isa`]) or implementations of [`simd::Kernel`]. The compiler may not
//!   reorder floating-point sums, so sums that should be vectorised keep explicit lanes ([`reduce`]).

pub mod attention;
pub mod avg_max_pool;
mod awake_pool;
pub mod backward_pass;
pub mod batch_norm;
pub mod conv;
pub mod conv_input;
pub mod conv_max;
pub mod conv_norm;
pub mod cross_entropy;
pub mod depthwise;
mod dot_products;
mod elementwise;
pub mod elu;
pub mod epilogue;
pub mod finish;
mod gradients;
mod image_groups;
mod isa;
pub mod linear;
pub mod lookup;
pub mod map_order;
pub mod matmul;
pub mod max_pool;
mod micro_kernel;
mod norm_pool;
pub mod optimizer;
pub mod padded_map;
pub mod parallel;
pub mod pixel_pool;
pub mod pixels;
mod plane_lanes;
pub mod planes;
pub mod pool;
pub mod prefetch;
pub mod recorder;
mod reduce;
pub mod relu;
pub mod scratch;
pub mod separable;
pub mod simd;
pub mod smooth_maximum;
mod storage;
mod transcendental;
mod transpose;

pub use gradients::Gradients;
pub use isa::instruction_set;
pub use storage::{fast, read, storage};
pub use transpose::transpose_matrix;
