use records::{Estimate, estimate};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The 95 % confidence interval of a mean by Student's t, and what its tests need.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// The mean.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The standard error of the mean.
    pub standard_error: f64,
    /// The degrees of freedom.
    pub df: f64,
}

impl Interval {
    /// Makes the interval of a mean that has this standard error with these degrees of freedom.
    pub fn new(value: f64, standard_error: f64, df: f64) -> Self {
        let half = if standard_error > 0. { student(df).inverse_cdf(0.975) * standard_error } else { 0. };
        Self { value, low: value - half, high: value + half, standard_error, df }
    }

    /// The one-sided p-value of the hypothesis that the true mean is at most `bound`: small if it is shown to be greater.
    ///
    /// It is below 0.025 exactly if the whole interval lies above the bound.
    pub fn p_greater(&self, bound: f64) -> f64 {
        match (self.value - bound, self.standard_error) {
            (distance, error) if error > 0. => student(self.df).cdf(-distance / error),
            (distance, _) if distance > 0. => 0.,
            _ => 1.,
        }
    }

    /// The one-sided p-value of the hypothesis that the true mean is at least `bound`: small if it is shown to be less.
    pub fn p_less(&self, bound: f64) -> f64 {
        Self { value: -self.value, ..*self }.p_greater(-bound)
    }
}

fn student(df: f64) -> StudentsT {
    // What is not a number counts as the least, so that the distribution always exists.
    let df = if df >= 1. { df.min(1e9) } else { 1. };
    StudentsT::new(0., 1., df).expect("a scale and degrees of freedom above 0")
}

/// The interval of a mean difference by Student's t, from one difference per seed; `None` for fewer than two seeds.
///
/// It is for values that are not shares of test images.
pub fn paired_t(differences: &[f64]) -> Option<Interval> {
    let Estimate { mean, sd, .. } = estimate(differences)?;
    let n = differences.len() as f64;
    Some(Interval::new(mean, sd? / n.sqrt(), n - 1.))
}

/// The ends of the 95 % confidence interval of a share among `n` independent samples, such as the images of a class (Wilson
/// 1927); `None` without samples.
///
/// Unlike the interval by the normal distribution, it stays between 0 and 1, and has a width where the share is 0 or 1.
///
/// ```
/// let [low, high] = statistics::wilson(0.8, 10).unwrap();
/// assert!((low - 0.490).abs() < 1e-3 && (high - 0.943).abs() < 1e-3);
/// ```
pub fn wilson(share: f64, n: u64) -> Option<[f64; 2]> {
    /// The 0.975 quantile of the standard normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    let n = (n > 0).then_some(n as f64)?;
    let z2 = Z * Z / n;
    let centre = share + z2 / 2.;
    let half = Z * (share * (1. - share) / n + z2 / (4. * n)).sqrt();
    Some([centre - half, centre + half].map(|end| (end / (1. + z2)).clamp(0., 1.)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paired_t_test_has_its_known_values() {
        // scipy.stats.ttest_rel(a, b) of two samples with these differences, and its .confidence_interval(0.95); then
        // ttest_1samp(d, m, alternative="greater") for m = 0 and 0.1, and the larger p-value of statsmodels' ttost_mean(-2, 1.5)
        let t = paired_t(&[1.2, 0.4, -0.3, 2.1, 0.9, 1.5, 0.2, 0.8, 1.1, -0.1]).unwrap();
        let known = [0.248_085_651_994, 1.311_914_348_006, 0.004_489_922_628, 0.008_913_855_397, 0.006_763_256_867];
        let ours = [t.low, t.high, t.p_greater(0.), t.p_greater(0.1), t.p_greater(-2.).max(t.p_less(1.5))];
        for (ours, known) in ours.into_iter().zip(known) {
            assert!((ours - known).abs() < 1e-9, "{t:?}");
        }
    }

    #[test]
    fn a_wilson_interval_has_its_known_values() {
        // scipy.stats.binomtest(k, n).proportion_ci(method="wilson") of k = 8, 0 and 990
        for (share, n, known) in [
            (0.8, 10, [0.490_162_471_536, 0.943_317_848_545]),
            (0., 20, [0., 0.161_125_158_052]),
            (0.99, 1000, [0.981_690_531_129, 0.994_559_245_554]),
        ] {
            let ends = wilson(share, n).unwrap();
            assert!(ends.iter().zip(known).all(|(ours, known)| (ours - known).abs() < 1e-9), "{ends:?}");
        }
        assert_eq!(wilson(0.5, 0), None);
    }

    #[test]
    fn one_seed_has_no_interval_and_equal_seeds_a_point() {
        assert_eq!(paired_t(&[1.]), None);
        let of = |value| paired_t(&[value, value]).map(|t| (t.low, t.high, t.p_greater(0.), t.p_less(0.)));
        assert_eq!(of(0.), Some((0., 0., 1., 1.)));
        assert_eq!(of(2.), Some((2., 2., 0., 1.)));
    }
}
