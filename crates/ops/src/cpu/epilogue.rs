/// The operations on the output of a convolution, or of the batch normalisation after it, before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Epilogue {
    /// No change.
    None,
    /// ReLU.
    Relu,
    /// ReLU, then 2×2 max pooling with stride 2.
    ReluMaxPool,
}

impl Epilogue {
    /// Returns the height and width after the epilogue, given those before it.
    pub fn result(self, size: [usize; 2]) -> [usize; 2] {
        if self == Epilogue::ReluMaxPool { size.map(|n| n / 2) } else { size }
    }
}

/// The winner of a pooling window whose maximum is not positive: behind the ReLU its gradient is 0.
pub const NO_WINNER: u8 = 4;

/// The values that the forward pass saves of its epilogue for the backward pass.
#[derive(Clone, Copy)]
pub enum SavedEpilogue<'a> {
    /// There was no epilogue.
    Nothing,
    /// The result of ReLU. With batch normalisation it may be empty: the mask is then recomputed from the values that
    /// were normalised.
    Result(&'a [f32]),
    /// For each result of batch normalisation, ReLU and max pooling, which of the four positions of its window (in row-major
    /// order) had the maximum, or [`NO_WINNER`].
    Winners(&'a [u8]),
    /// The same of ReLU and max pooling alone, in the order in which the convolution's kernels hold them: for each image
    /// (block of channels, result, [`BLOCK_WIDTH`](super::simd::BLOCK_WIDTH)).
    BlockedWinners(&'a [u8]),
}
