//! Draws the initial values of parameters with a seeded generator; candle's own cannot be seeded.

use candle_core::{Result, Shape, bail};
use candle_nn::{Init, init::NormalOrUniform};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

/// Draws the values of a parameter in row-major order.
pub fn draw(init: Init, shape: &Shape, random: &mut ChaCha8Rng) -> Result<Vec<f32>> {
    let len = shape.elem_count();
    match init {
        Init::Const(value) => Ok(vec![value as f32; len]),
        Init::Uniform { lo, up } => uniform(lo, up, len, random),
        Init::Randn { mean, stdev } => normal(mean, stdev, len, random),
        Init::Kaiming { dist, fan, non_linearity } => {
            let stdev = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => normal(0., stdev, len, random),
                NormalOrUniform::Uniform => {
                    let bound = 3f64.sqrt() * stdev;
                    uniform(-bound, bound, len, random)
                }
            }
        }
    }
}

/// Draws from the uniform distribution on [lo, up), with the 24 random bits that an f32 in [0, 1) can hold.
fn uniform(lo: f64, up: f64, len: usize, random: &mut ChaCha8Rng) -> Result<Vec<f32>> {
    if !(lo.is_finite() && up.is_finite() && lo <= up) {
        bail!("no uniform distribution from {lo} to {up}: the bounds must be finite and in ascending order")
    }
    // Rounding to f32 may reach the upper bound, which is excluded.
    let (first, last) = (lo as f32, (up as f32).next_down());
    let mut value = || (lo + (up - lo) * (random.next_u32() >> 8) as f64 / (1 << 24) as f64) as f32;
    Ok((0..len).map(|_| value().min(last).max(first)).collect())
}

/// Draws from a normal distribution, in pairs by the method of Box & Muller (1958).
fn normal(mean: f64, stdev: f64, len: usize, random: &mut ChaCha8Rng) -> Result<Vec<f32>> {
    if !(mean.is_finite() && stdev.is_finite() && stdev >= 0.) {
        bail!(
            "no normal distribution of mean {mean} and standard deviation {stdev}: both must be finite, the latter >= 0"
        )
    }
    let mut unit = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut values = Vec::with_capacity(len + 1);
    while values.len() < len {
        // 1 − u lies in (0, 1], so its logarithm is finite.
        let radius = (-2. * (1. - unit()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * unit()).sin_cos();
        values.extend([cos, sin].map(|z| (mean + stdev * radius * z) as f32));
    }
    values.truncate(len);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_nn::init::{DEFAULT_KAIMING_NORMAL, DEFAULT_KAIMING_UNIFORM};

    fn draw(init: Init, shape: impl Into<Shape>) -> Vec<f32> {
        super::draw(init, &shape.into(), &mut layers::rng(7, "weight", 0)).unwrap()
    }

    fn mean_and_deviation(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
        (mean, (values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn uniform_draws_fill_the_interval_and_stay_within() {
        let values = draw(Init::Uniform { lo: -0.5, up: 1.5 }, 100_000);
        assert!(values.iter().all(|v| (-0.5..1.5).contains(v)));
        let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        assert!(low < -0.499 && high > 1.499, "{low} {high}");
        let (mean, deviation) = mean_and_deviation(&values);
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((deviation - 2. / 12f64.sqrt()).abs() < 0.01, "{deviation}");
    }

    #[test]
    fn rounding_never_reaches_the_upper_bound() {
        // f32 has but a handful of values between these two.
        let (lo, up) = (1000.0, 1000.0003);
        let values = draw(Init::Uniform { lo, up }, 10_000);
        assert!(values.iter().all(|&v| v >= lo as f32 && v < up as f32));
        assert_eq!(draw(Init::Uniform { lo: 2., up: 2. }, 3), [2.; 3]);
    }

    #[test]
    fn normal_draws_have_their_mean_deviation_and_tails() {
        let values = draw(Init::Randn { mean: 3., stdev: 2. }, 100_001);
        assert_eq!(values.len(), 100_001);
        let (mean, deviation) = mean_and_deviation(&values);
        assert!((mean - 3.).abs() < 0.03 && (deviation - 2.).abs() < 0.03, "{mean} {deviation}");
        let within = values.iter().filter(|&&v| (v - 3.).abs() < 2.).count() as f64 / 1e5;
        assert!((within - 0.6827).abs() < 0.01, "{within}");
    }

    #[test]
    fn kaiming_scales_by_the_fan_of_the_shape() {
        let fan_in = (8 * 3 * 3) as f64;
        let uniform = draw(DEFAULT_KAIMING_UNIFORM, (64, 8, 3, 3));
        let bound = (6. / fan_in).sqrt() as f32;
        let largest = uniform.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!(largest <= bound && largest > 0.99 * bound, "{largest} {bound}");
        let (_, deviation) = mean_and_deviation(&draw(DEFAULT_KAIMING_NORMAL, (64, 8, 3, 3)));
        assert!((deviation / (2. / fan_in).sqrt() - 1.).abs() < 0.05, "{deviation}");
    }

    #[test]
    fn impossible_distributions_are_errors() {
        let random = &mut layers::rng(0, "", 0);
        for init in [Init::Uniform { lo: 1., up: 0. }, Init::Randn { mean: f64::NAN, stdev: 1. }] {
            assert!(super::draw(init, &3.into(), random).is_err());
        }
    }
}
