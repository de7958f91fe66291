//! The largest values that options and suite files accept. Beyond them, sizes would overflow or exceed any memory.

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
