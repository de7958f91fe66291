//! The transforms of F(2×2, 3×3) and F(4×4, 3×3).

use pulp::Simd;

use crate::cpu::simd::negated;

/// Applies a transform of one dimension, from lines of `I` values to lines of `O`, to the columns of a square and then
/// to the rows of the result. The square is read value by value by the expression `$from`, and written by `$to`.
///
/// This is a macro because a function would take closures, and a closure that is not inlined is compiled without vector
/// instructions. There are loops instead of `map` for the same reason.
macro_rules! transform_2d {
    ([$I:expr => $O:expr], $zero:expr, |$y:ident, $x:ident| $from:expr, |$line:pat_param| $transformed:expr, |$to_y:ident, $to_x:ident, $value:ident| $to:expr) => {{
        let zero = $zero;
        let mut rows = [[zero; $I]; $O];
        for $x in 0..$I {
            let mut column = [zero; $I];
            for $y in 0..$I {
                column[$y] = $from;
            }
            let $line = column;
            let column = $transformed;
            for y in 0..$O {
                rows[y][$x] = column[y];
            }
        }
        for $to_y in 0..$O {
            let $line = rows[$to_y];
            for ($to_x, $value) in $transformed.into_iter().enumerate() {
                $to;
            }
        }
    }};
}
pub(super) use transform_2d;

/// The transforms of F(OUT×OUT, 3×3), with IN = OUT + 2, each of one line.
pub trait Transforms<const OUT: usize, const IN: usize>: Send + Sync {
    /// The transform of the weights: `G g`.
    const WEIGHTS: [[f64; 3]; IN];

    /// Transforms a line of pixels: `Bᵀ d`.
    fn pixels<S: Simd>(simd: S, d: [S::f32s; IN]) -> [S::f32s; IN];

    /// The adjoint of [`pixels`](Self::pixels): `B v`.
    fn pixels_adjoint<S: Simd>(simd: S, v: [S::f32s; IN]) -> [S::f32s; IN];

    /// Transforms a line of products to outputs: `Aᵀ m`.
    fn outputs<S: Simd>(simd: S, m: [S::f32s; IN]) -> [S::f32s; OUT];

    /// The adjoint of [`outputs`](Self::outputs): `A y`.
    fn outputs_adjoint<S: Simd>(simd: S, y: [S::f32s; OUT]) -> [S::f32s; IN];
}

/// F(2×2, 3×3), interpolating at 0, 1, −1 and ∞.
pub struct F2;

impl Transforms<2, 4> for F2 {
    const WEIGHTS: [[f64; 3]; 4] = [[1., 0., 0.], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0., 0., 1.]];

    #[inline(always)]
    fn pixels<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
        [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
    }

    #[inline(always)]
    fn pixels_adjoint<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
        let (inner, third) = (simd.sub_f32s(b, c), simd.sub_f32s(simd.add_f32s(b, c), a));
        [a, simd.add_f32s(inner, d), third, negated(simd, d)]
    }

    #[inline(always)]
    fn outputs<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
        [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
    }

    #[inline(always)]
    fn outputs_adjoint<S: Simd>(simd: S, [a, b]: [S::f32s; 2]) -> [S::f32s; 4] {
        [a, simd.add_f32s(a, b), simd.sub_f32s(a, b), negated(simd, b)]
    }
}

/// F(4×4, 3×3), interpolating at 0, ±3/4, ±3/2 and ∞.
///
/// The usual points, 0, ±1, ±2 and ∞, would make the rounding error of an output about six times that of a plain sum;
/// these make it less than twice that from 32 channels on. All factors except those of the weights are exact. As every
/// output of a tile takes part in the rounding of the others, a NaN or infinite pixel can reach outputs of its tile that
/// do not see it. For the same reason an output that is 0 in exact arithmetic can be a tiny positive or negative number,
/// and equal outputs can differ in their last bits: ReLU and maximum then take either side of their kink.
pub struct F4;

/// The points of interpolation, and their squares.
const P: f32 = 0.75;
const Q: f32 = 1.5;
const P2: f32 = P * P;
const Q2: f32 = Q * Q;

/// Computes `factor · x + y`.
#[inline(always)]
fn fma<S: Simd>(simd: S, factor: f32, x: S::f32s, y: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor), x, y)
}

/// Computes `factor · x`.
#[inline(always)]
fn scaled<S: Simd>(simd: S, factor: f32, x: S::f32s) -> S::f32s {
    simd.mul_f32s(simd.splat_f32s(factor), x)
}

/// Returns a row of the transform of the weights: the powers of an inner point, divided by the product of its
/// differences to the other points.
const fn weights_at(point: f64, other: f64) -> [f64; 3] {
    let divisor = 2. * point * point * (point * point - other * other);
    [1. / divisor, point / divisor, point * point / divisor]
}

impl Transforms<4, 6> for F4 {
    const WEIGHTS: [[f64; 3]; 6] = {
        let [p, q] = [P as f64, Q as f64];
        let at_zero = [1. / (p * p * q * q), 0., 0.];
        [at_zero, weights_at(p, q), weights_at(-p, q), weights_at(q, p), weights_at(-q, p), [0., 0., 1.]]
    };

    #[inline(always)]
    fn pixels<S: Simd>(simd: S, [a, b, c, d, e, f]: [S::f32s; 6]) -> [S::f32s; 6] {
        let [even, odd] = [fma(simd, -Q2, c, e), fma(simd, -Q2, b, d)];
        let [even_2, odd_2] = [fma(simd, -P2, c, e), fma(simd, -P2, b, d)];
        [
            fma(simd, P2 * Q2, a, fma(simd, -P2 - Q2, c, e)),
            fma(simd, P, odd, even),
            fma(simd, -P, odd, even),
            fma(simd, Q, odd_2, even_2),
            fma(simd, -Q, odd_2, even_2),
            fma(simd, P2 * Q2, b, fma(simd, -P2 - Q2, d, f)),
        ]
    }

    #[inline(always)]
    fn pixels_adjoint<S: Simd>(simd: S, [a, b, c, d, e, f]: [S::f32s; 6]) -> [S::f32s; 6] {
        let [even, odd] = [simd.add_f32s(b, c), scaled(simd, P, simd.sub_f32s(b, c))];
        let [even_2, odd_2] = [simd.add_f32s(d, e), scaled(simd, Q, simd.sub_f32s(d, e))];
        [
            scaled(simd, P2 * Q2, a),
            fma(simd, -Q2, odd, fma(simd, -P2, odd_2, scaled(simd, P2 * Q2, f))),
            fma(simd, -Q2, even, fma(simd, -P2, even_2, scaled(simd, -P2 - Q2, a))),
            fma(simd, -P2 - Q2, f, simd.add_f32s(odd, odd_2)),
            simd.add_f32s(a, simd.add_f32s(even, even_2)),
            f,
        ]
    }

    #[inline(always)]
    fn outputs<S: Simd>(simd: S, [a, b, c, d, e, f]: [S::f32s; 6]) -> [S::f32s; 4] {
        let [even, odd] = [simd.add_f32s(b, c), simd.sub_f32s(b, c)];
        let [even_2, odd_2] = [simd.add_f32s(d, e), simd.sub_f32s(d, e)];
        [
            simd.add_f32s(simd.add_f32s(a, even), even_2),
            fma(simd, P, odd, scaled(simd, Q, odd_2)),
            fma(simd, P2, even, scaled(simd, Q2, even_2)),
            fma(simd, P * P2, odd, fma(simd, Q * Q2, odd_2, f)),
        ]
    }

    #[inline(always)]
    fn outputs_adjoint<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 6] {
        let [even, odd] = [fma(simd, P2, c, a), fma(simd, P * P2, d, scaled(simd, P, b))];
        let [even_2, odd_2] = [fma(simd, Q2, c, a), fma(simd, Q * Q2, d, scaled(simd, Q, b))];
        [
            a,
            simd.add_f32s(even, odd),
            simd.sub_f32s(even, odd),
            simd.add_f32s(even_2, odd_2),
            simd.sub_f32s(even_2, odd_2),
            d,
        ]
    }
}
