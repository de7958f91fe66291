//! The transformations of Winograd's forms.

use pulp::Simd;

/// A transformation of one dimension, from lines of `I` values to lines of `O`, applied to the columns of a square and then
/// to its rows; the square is given value by value, and so is the result taken. (A function that takes closures would
/// not do: where one is not inlined it is compiled without vector instructions. For the same reason there are loops here
/// and no `map`.)
macro_rules! both {
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
pub(super) use both;

/// F(OUT×OUT, 3×3), with IN = OUT + 2.
pub trait Form<const OUT: usize, const IN: usize> {
    /// A line of `Bᵀ d`.
    fn pixels<S: Simd>(simd: S, d: [S::f32s; IN]) -> [S::f32s; IN];

    /// A line of `Aᵀ m`.
    fn sums<S: Simd>(simd: S, m: [S::f32s; IN]) -> [S::f32s; OUT];

    /// `G g Gᵀ`.
    fn weights(g: [[f32; 3]; 3]) -> [[f32; IN]; IN];
}

/// F(2×2, 3×3), on the points 0, 1, -1 and ∞.
pub struct F2;

impl Form<2, 4> for F2 {
    #[inline(always)]
    fn pixels<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
        [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
    }

    #[inline(always)]
    fn sums<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
        [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
    }

    fn weights(g: [[f32; 3]; 3]) -> [[f32; 4]; 4] {
        let mut transformed = [[0.; 4]; 4];
        let line = |[a, b, c]: [f32; 3]| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
        both!([3 => 4], 0., |y, x| g[y][x], |g| line(g), |y, x, value| transformed[y][x] = value);
        transformed
    }
}

/// F(4×4, 3×3), on the points 0, ±3/4, ±3/2 and ∞.
///
/// The usual points 0, ±1, ±2 would make the rounding error of a result some six times that of its definition, summed in
/// order; these make it about twice that, and all factors but those of the weights are exact. An output takes part in
/// the rounding of the whole tile, so that pixels it does not see can make it NaN.
pub struct F4;

/// The points, and their squares.
const P: f32 = 0.75;
const Q: f32 = 1.5;
const P2: f32 = P * P;
const Q2: f32 = Q * Q;

#[inline(always)]
fn fma<S: Simd>(simd: S, factor: f32, x: S::f32s, y: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor), x, y)
}

impl Form<4, 6> for F4 {
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
    fn sums<S: Simd>(simd: S, [a, b, c, d, e, f]: [S::f32s; 6]) -> [S::f32s; 4] {
        let zero = simd.splat_f32s(0.);
        let [even, odd] = [simd.add_f32s(b, c), simd.sub_f32s(b, c)];
        let [even_2, odd_2] = [simd.add_f32s(d, e), simd.sub_f32s(d, e)];
        [
            simd.add_f32s(simd.add_f32s(a, even), even_2),
            fma(simd, P, odd, fma(simd, Q, odd_2, zero)),
            fma(simd, P2, even, fma(simd, Q2, even_2, zero)),
            fma(simd, P * P2, odd, fma(simd, Q * Q2, odd_2, f)),
        ]
    }

    fn weights(g: [[f32; 3]; 3]) -> [[f32; 6]; 6] {
        let [p, q] = [P as f64, Q as f64];
        let at = |point: f64, [a, b, c]: [f64; 3]| a + point * (b + point * c);
        let (of_p, of_q) = (2. * p * p * (p * p - q * q), 2. * q * q * (q * q - p * p));
        let line = |g: [f64; 3]| {
            [g[0] / (p * p * q * q), at(p, g) / of_p, at(-p, g) / of_p, at(q, g) / of_q, at(-q, g) / of_q, g[2]]
        };
        let mut transformed = [[0.; 6]; 6];
        both!([3 => 6], 0., |y, x| g[y][x] as f64, |g| line(g), |y, x, value| transformed[y][x] = value as f32);
        transformed
    }
}
