//! The largest values that options and suite files accept, beyond which sizes would overflow or exceed any memory, and the
//! least training that a comparison needs.

/// Optimiser updates of one run, below which heads are not compared without a warning.
pub const FEW_UPDATES: u64 = 300;
/// Optimiser updates of one run on a folder of images, unless an option says how many.
pub const LEAST_UPDATES: u64 = 400;
/// Seeds of one variant.
pub const MAX_SEEDS: usize = 10_000;
/// Optimiser updates of one run.
pub const MAX_UPDATES: usize = 1 << 40;
/// Epochs of one run, and rounds of `bench`.
pub const MAX_EPOCHS: usize = 1_000_000;
/// Images of a training set or a batch.
pub const MAX_IMAGES: usize = 1 << 31;
/// Threads of one process.
pub const MAX_THREADS: usize = 1024;
/// Classes of a network.
pub const MAX_CLASSES: usize = 1 << 20;
/// Bytes of a text file that is read: a suite, its learning rates, a page.
pub const MAX_TEXT_BYTES: u64 = 16 << 20;
/// Pixels along one side of an image.
pub const MAX_SIDE: usize = datasets::MAX_SIDE;
