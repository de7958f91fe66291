/// The number of images in a timed training step.
pub const TRAIN_BATCH: usize = 64;
/// The number of images in a timed forward pass, and wherever else networks infer.
pub const INFER_BATCH: usize = 256;
/// The number of images in a forward pass whose latency is measured.
pub const LATENCY_BATCH: usize = 1;
