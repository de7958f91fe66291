//! The functions of single values that batch normalisation computes or sums, for feature maps in either order.

use pulp::Simd;

use crate::cpu::elementwise::Function;

/// The values of each slice.
pub struct Values;

impl<const SLICES: usize> Function<SLICES, 0, SLICES> for Values {
    #[inline(always)]
    fn apply<S: Simd>(&self, _: S, values: [S::f32s; SLICES], _: [S::f32s; 0]) -> [S::f32s; SLICES] {
        values
    }
}

/// The squared distances of each slice's values from its mean.
pub struct SquaredDistances;

impl<const SLICES: usize> Function<SLICES, SLICES, SLICES> for SquaredDistances {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, mut values: [S::f32s; SLICES], means: [S::f32s; SLICES]) -> [S::f32s; SLICES] {
        for (value, mean) in values.iter_mut().zip(means) {
            let distance = simd.sub_f32s(*value, mean);
            *value = simd.mul_f32s(distance, distance);
        }
        values
    }
}

/// `x·scale + shift`, or the floor if that is below it.
pub struct ScaledAndShifted {
    pub floor: f32,
}

impl Function<1, 2, 1> for ScaledAndShifted {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [x]: [S::f32s; 1], [scale, shift]: [S::f32s; 2]) -> [S::f32s; 1] {
        let (value, floor) = (simd.add_f32s(simd.mul_f32s(x, scale), shift), simd.splat_f32s(self.floor));
        [simd.select_f32s(simd.less_than_f32s(value, floor), floor, value)]
    }
}

/// `max(x·scale + shift + a, 0)` from x and a.
pub struct ReluOfSum;

impl Function<2, 2, 1> for ReluOfSum {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [x, a]: [S::f32s; 2], [scale, shift]: [S::f32s; 2]) -> [S::f32s; 1] {
        let sum = simd.add_f32s(simd.add_f32s(simd.mul_f32s(x, scale), shift), a);
        let zero = simd.splat_f32s(0.);
        [simd.select_f32s(simd.less_than_f32s(sum, zero), zero, sum)]
    }
}

/// `(g, g·(x − mean))` from x and dy, where g is 0 if `x·scale + shift ≤ 0` and dy elsewhere. The coefficients are (mean,
/// scale, shift).
pub struct BackwardTerms;

impl Function<2, 3, 2> for BackwardTerms {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [x, dy]: [S::f32s; 2], [mean, scale, shift]: [S::f32s; 3]) -> [S::f32s; 2] {
        let g = masked(simd, x, dy, [scale, shift]);
        [g, simd.mul_f32s(simd.sub_f32s(x, mean), g)]
    }
}

/// `g·a + (x − mean)·b + c` from x and dy, with g as in [`BackwardTerms`]. The coefficients are (a, mean, b, c, scale, shift).
pub struct InputGradient;

impl Function<2, 6, 1> for InputGradient {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [x, dy]: [S::f32s; 2], coefficients: [S::f32s; 6]) -> [S::f32s; 1] {
        let [a, mean, b, c, scale, shift] = coefficients;
        let slope = simd.mul_f32s(simd.sub_f32s(x, mean), b);
        let g = masked(simd, x, dy, [scale, shift]);
        [simd.add_f32s(simd.add_f32s(simd.mul_f32s(g, a), slope), c)]
    }
}

/// Returns 0 where `x·scale + shift ≤ 0`, and `dy` elsewhere.
#[inline(always)]
fn masked<S: Simd>(simd: S, x: S::f32s, dy: S::f32s, [scale, shift]: [S::f32s; 2]) -> S::f32s {
    let (normalised, zero) = (simd.add_f32s(simd.mul_f32s(x, scale), shift), simd.splat_f32s(0.));
    simd.select_f32s(simd.less_than_or_equal_f32s(normalised, zero), zero, dy)
}
