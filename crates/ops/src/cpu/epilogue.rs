use pulp::Simd;

use super::simd::relu;

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

/// Computes ReLU of the maximum of the four values of each pooling window after adding `shift`, which is finite. NaN stays NaN.
#[inline(always)]
pub fn relu_of_maximum<S: Simd>(simd: S, values: [S::f32s; 4], shift: S::f32s) -> S::f32s {
    let mut best = values[0];
    let mut numbers = simd.equal_f32s(best, best);
    for &x in &values[1..] {
        best = if cfg!(target_arch = "x86_64") && S::F32_LANES >= 8 {
            // The instruction of AVX returns its second operand if both are equal, or one is NaN.
            simd.max_f32s(x, best)
        } else {
            simd.select_f32s(simd.greater_than_f32s(x, best), x, best)
        };
        numbers = simd.and_m32s(numbers, simd.equal_f32s(x, x));
    }
    // The sums are rounded, which does not change their order, so that one addition is enough.
    let best = simd.select_f32s(numbers, simd.add_f32s(best, shift), simd.splat_f32s(f32::NAN));
    relu::<S, 1>(simd, [best])[0]
}

/// Stores winners as [`relu_max_of_four`] computes them.
#[inline(always)]
pub fn store_winners(values: &[f32], winners: &mut [u8]) {
    for (winner, &value) in winners.iter_mut().zip(values) {
        // The low byte of 2²³ + n is n. A cast would saturate, value by value.
        *winner = (value + (1 << 23) as f32).to_bits() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::{BLOCK_WIDTH, Kernel, dispatch, vectors, vectors_mut};

    /// Computes both maxima of windows whose values are the rows of `values`.
    struct Maxima<'a> {
        values: &'a [[f32; BLOCK_WIDTH]; 4],
        shift: f32,
        with_winner: &'a mut [f32; BLOCK_WIDTH],
        alone: &'a mut [f32; BLOCK_WIDTH],
    }

    impl Kernel for Maxima<'_> {
        #[inline(always)]
        fn run<S: Simd, const V: usize>(self, simd: S) {
            let shift = simd.splat_f32s(self.shift);
            for v in 0..V {
                let window = self.values.each_ref().map(|row| vectors::<S, V>(row)[0][v]);
                let sums = window.map(|value| simd.add_f32s(value, shift));
                vectors_mut::<S, V>(self.with_winner)[0][v] = relu_max_of_four(simd, sums)[0];
                vectors_mut::<S, V>(self.alone)[0][v] = relu_of_maximum(simd, window, shift);
            }
        }
    }

    #[test]
    fn the_maximum_without_a_winner_has_the_same_bits() {
        let of_row = [f32::NAN, -0., 0., 1.5, -2., f32::INFINITY, f32::NEG_INFINITY];
        // All windows of four of these values.
        let windows: Vec<[f32; 4]> =
            (0..7usize.pow(4)).map(|i| [0, 1, 2, 3].map(|place| of_row[i / 7usize.pow(place) % 7])).collect();
        for (windows, shift) in windows.chunks(BLOCK_WIDTH).flat_map(|w| [-0., 0., 1e-8, -1.5].map(|s| (w, s))) {
            let window = |i: usize| windows[i.min(windows.len() - 1)];
            let values = std::array::from_fn(|row| std::array::from_fn(|i| window(i)[row]));
            let (mut with_winner, mut alone) = ([1.; BLOCK_WIDTH], [2.; BLOCK_WIDTH]);
            dispatch(Maxima { values: &values, shift, with_winner: &mut with_winner, alone: &mut alone });
            for (i, (a, b)) in with_winner.into_iter().zip(alone).enumerate() {
                let same = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                assert!(same, "{a} and {b} of {:?} plus {shift}", window(i));
            }
        }
    }
}
