use pulp::Simd;

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
    /// The result of ReLU.
    Result(&'a [f32]),
    /// For each result of ReLU and max pooling, which of the four positions of its window (in row-major order) had the maximum, or
    /// [`NO_WINNER`]; in the order in which the convolution's kernels hold the results: for each image (block of channels, result,
    /// [`BLOCK_WIDTH`](super::simd::BLOCK_WIDTH)).
    Winners(&'a [u8]),
}

/// Computes ReLU of the maximum of the four values of each pooling window, and the winner as a number. The first of equal values
/// wins; NaN wins over any value before it.
#[inline(always)]
pub fn relu_max_of_four<S: Simd>(simd: S, values: [S::f32s; 4]) -> [S::f32s; 2] {
    let (mut best, mut winner) = (values[0], simd.splat_f32s(0.));
    // Not with `skip`, which becomes a call for each step.
    for (i, &x) in (1..).zip(&values[1..]) {
        let is_nan = simd.not_m32s(simd.equal_f32s(x, x));
        let wins = simd.or_m32s(simd.greater_than_f32s(x, best), is_nan);
        best = simd.select_f32s(wins, x, best);
        winner = simd.select_f32s(wins, simd.splat_f32s(i as f32), winner);
    }
    let zero = simd.splat_f32s(0.);
    let blocked = simd.less_than_or_equal_f32s(best, zero);
    let winner = simd.select_f32s(blocked, simd.splat_f32s(NO_WINNER as f32), winner);
    [simd.select_f32s(simd.less_than_f32s(best, zero), zero, best), winner]
}

/// Stores winners as [`relu_max_of_four`] computes them.
#[inline(always)]
pub fn store_winners(values: &[f32], winners: &mut [u8]) {
    for (winner, &value) in winners.iter_mut().zip(values) {
        // The low byte of 2²³ + n is n. A cast would saturate, value by value.
        *winner = (value + (1 << 23) as f32).to_bits() as u8;
    }
}
