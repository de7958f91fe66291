use records::{Estimate, estimate};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The 95 % confidence interval of a difference, and the p-value of its test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The two-sided p-value of the hypothesis that there is no difference.
    pub p: f64,
}

impl Interval {
    /// Converts the ends to another unit; `factor` is positive.
    pub fn scaled(self, factor: f64) -> Self {
        Self { low: factor * self.low, high: factor * self.high, ..self }
    }
}

/// The interval of a mean difference by Student's t, from one difference per seed; `None` for fewer than two seeds.
///
/// It is for values that are not shares of test images. A bootstrap over ten seeds or fewer would give intervals that are
/// too narrow.
pub fn paired_t(differences: &[f64]) -> Option<Interval> {
    let Estimate { mean, sd, ci95 } = estimate(differences)?;
    let (sd, ci95) = sd.zip(ci95)?;
    let n = differences.len() as f64;
    let p = match (mean == 0., sd == 0.) {
        (true, _) => 1.,
        (false, true) => 0.,
        _ => 2. * StudentsT::new(0., 1., n - 1.).ok()?.cdf(-(mean * n.sqrt() / sd).abs()),
    };
    Some(Interval { low: mean - ci95, high: mean + ci95, p })
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
        // scipy.stats.ttest_rel(a, b) of two samples with these differences, and its .confidence_interval(0.95)
        let t = paired_t(&[1.2, 0.4, -0.3, 2.1, 0.9, 1.5, 0.2, 0.8, 1.1, -0.1]).unwrap();
        let known = [0.248_085_651_994, 1.311_914_348_006, 0.008_979_845_256];
        for (ours, known) in [t.low, t.high, t.p].into_iter().zip(known) {
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
        assert_eq!(paired_t(&[0., 0.]), Some(Interval { low: 0., high: 0., p: 1. }));
        assert_eq!(paired_t(&[2., 2.]), Some(Interval { low: 2., high: 2., p: 0. }));
    }
}
