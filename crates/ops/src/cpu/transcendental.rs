//! Exponential and logarithm in plain arithmetic, without branches: a loop over a slice vectorises, and results have the
//! same bits on every CPU, which those of the C library do not.
//!
//! Both reduce the argument to one binade and approximate there by a polynomial with least relative error (Remez). The
//! constants of the reduction are those of Cody & Waite (1980): `LN_2_HIGH` has so few digits that its product with an
//! exponent is exact.

#![allow(clippy::excessive_precision)] // All digits that were computed; the compiler rounds them.

const LN_2_HIGH: f32 = 0.693359375;
const LN_2_LOW: f32 = -2.12194440e-4;

/// The number of bits of a significand without its leading one.
const SIGNIFICAND_BITS: u32 = 23;

/// Computes eˣ with a relative error of at most 1.6 · 2⁻²⁴. Results below 2⁻¹²⁴ are 0; NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding this number rounds to an integer and leaves it in the last bits of the sum.
    const ROUND: f32 = 1.5 * (1 << SIGNIFICAND_BITS) as f32;
    /// An argument from which on the result overflows.
    const LARGEST: f32 = 89.;
    const SMALLEST: f32 = -86.;
    // Comparisons instead of `min` and `max` keep NaN.
    let bounded = if x > LARGEST { LARGEST } else { x };
    let rounded = bounded * std::f32::consts::LOG2_E + ROUND;
    let exponent = rounded - ROUND;
    let r = (bounded - exponent * LN_2_HIGH) - exponent * LN_2_LOW;
    let tail = 0.5 + r * (0.16666520 + r * (0.041668400 + r * (0.0083688376 + r * 0.0013814348)));
    let significand = 1. + (r + r * r * tail);
    // Half the power of two, because 2¹²⁸ is none of the numbers; the result is doubled.
    let bits = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(126) << SIGNIFICAND_BITS;
    if x < SMALLEST { 0. } else { 2. * significand * f32::from_bits(bits) }
}

/// Computes the natural logarithm of a number of at least 2⁻¹²⁶ with an error of at most one unit in the last place. NaN
/// and infinity stay what they are; results for smaller numbers have no meaning.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // The exponent is that of the power of two for which the quotient lies between √½ and √2.
    let sqrt_half = std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32;
    let bits = x.to_bits() as i32;
    let exponent = bits.wrapping_sub(sqrt_half) >> SIGNIFICAND_BITS;
    let m = f32::from_bits(bits.wrapping_sub(exponent << SIGNIFICAND_BITS) as u32);
    // ln m = 2·artanh(s) with s = (m − 1) / (m + 1), and the series of artanh has odd powers only.
    let f = m - 1.;
    let s = f / (f + 2.);
    let (square, half) = (s * s, 0.5 * f * f);
    let tail = square * (0.66666776 + square * (0.39977443 + square * 0.29874635));
    let exponent = exponent as f32;
    let sum = (f - (half - (s * (half + tail) + exponent * LN_2_LOW))) + exponent * LN_2_HIGH;
    if x < f32::INFINITY { sum } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::isa::vectorised;

    vectorised! {
    fn all<'a>(x: &'a [f32], exps: &'a mut [f32], lns: &'a mut [f32]) {
        for ((exp_x, ln_x), &x) in exps.iter_mut().zip(lns.iter_mut()).zip(x) {
            (*exp_x, *ln_x) = (exp(x), ln(x));
        }
    }
    }

    /// Every 997th number.
    fn numbers() -> Vec<f32> {
        (0..=u32::MAX / 997).map(|i| f32::from_bits(997 * i)).collect()
    }

    #[test]
    fn exponentials_and_logarithms_have_the_errors_that_are_promised() {
        let x = numbers();
        let (mut exps, mut lns) = (vec![0.; x.len()], vec![0.; x.len()]);
        all(&x, &mut exps, &mut lns);
        for ((&x, exp_x), ln_x) in x.iter().zip(exps).zip(lns) {
            let exact = f64::from(x).exp();
            if x.is_nan() {
                assert!(exp_x.is_nan() && ln_x.is_nan());
            } else if exact < 2f64.powi(-124) {
                assert!(exp_x == 0. || f64::from(exp_x) < 2f64.powi(-123), "exp({x}) is {exp_x}");
            } else if exact > f64::from(f32::MAX) * (1. + 1e-7) {
                assert_eq!(exp_x, f32::INFINITY, "exp({x})");
            } else if exact < f64::from(f32::MAX) * (1. - 1e-7) {
                let error = (f64::from(exp_x) / exact - 1.).abs();
                assert!(error <= 1.6 * 2f64.powi(-24), "exp({x}) is {exp_x}");
            }
            if (f32::MIN_POSITIVE..f32::INFINITY).contains(&x) {
                let exact = f64::from(x).ln();
                let ulp = f64::from((exact as f32).abs().next_up() - (exact as f32).abs());
                assert!((f64::from(ln_x) - exact).abs() <= ulp, "ln({x}) is {ln_x} instead of {exact}");
            }
        }
        assert_eq!([exp(0.), ln(1.), exp(f32::NEG_INFINITY)], [1., 0., 0.]);
        assert_eq!([exp(f32::INFINITY), ln(f32::INFINITY)], [f32::INFINITY; 2]);
    }

    #[test]
    fn every_instruction_set_computes_the_bits_of_the_scalar_code() {
        let x: Vec<f32> = numbers().into_iter().step_by(89).collect();
        let (mut exps, mut lns) = (vec![0.; x.len()], vec![0.; x.len()]);
        all(&x, &mut exps, &mut lns);
        for ((&x, exp_x), ln_x) in x.iter().zip(exps).zip(lns) {
            let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            assert!(same(exp_x, exp(x)) && same(ln_x, ln(x)), "{x}");
        }
    }
}
