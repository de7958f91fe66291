//! The CPU kernels, on plain f32 slices: one file each, no tensors, no autograd. What is here for a kernel is
//! reached through the custom operator of the same name one folder up.
//!
//! Two rules hold for all of them. Work is cut into pieces that do not depend on the number of threads, and partial
//! results are reduced in a fixed order, so results are equal to the bit on any number of threads. Loops that should
//! be vectorised are `vectorised!` functions or `tile::Kernel`s, compiled for each instruction set; sums that a compiler
//! may not reorder are written with explicit lanes.

pub mod batch_norm;
pub mod conv;
pub mod conv_norm;
pub mod cross_entropy;
pub mod depthwise;
mod isa;
pub mod linear;
pub mod matmul;
pub mod matvec;
pub mod parallel;
pub mod planes;
pub mod pool;
pub mod reduce;
pub mod relu;
pub mod scratch;
pub mod source;
mod storage;
pub mod tally;
pub mod tile;
mod transpose;

/// Of an operator with weights.
pub struct Gradients {
    /// Unless nobody asked for it.
    pub x: Option<Vec<f32>>,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

pub use isa::instruction_set;
pub use storage::{fast, read, storage};
