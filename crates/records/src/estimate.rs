use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::record::Measured;

/// A mean over seeds with its spread, which is `None` for a single seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number of values.
    pub n: usize,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the sample (n − 1).
    pub sd: Option<f64>,
    /// Half the width of the mean's 95 % confidence interval by Student's t.
    pub ci95: Option<f64>,
}

/// Estimates the mean of some values; `None` without values.
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let sd = (n > 1.).then(|| (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.)).sqrt());
    let t = StudentsT::new(0., 1., n - 1.).ok().map(|student| student.inverse_cdf(0.975));
    let ci95 = sd.zip(t).map(|(sd, t)| t * sd / n.sqrt());
    Some(Estimate { n: values.len(), mean, sd, ci95 })
}

impl Measured {
    /// The median of these values and their interquartile range relative to it; both are NaN without values. Quantiles are
    /// interpolated linearly, as by NumPy.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let value = |index: f64| values.get(index as usize).copied().unwrap_or(f64::NAN);
        let quantile = |share: f64| {
            let position = share * values.len().saturating_sub(1) as f64;
            let (below, above) = (value(position.floor()), value(position.ceil()));
            below + (above - below) * position.fract()
        };
        let median = quantile(0.5);
        Self { median, spread: (quantile(0.75) - quantile(0.25)) / median }
    }
}

/// Returns the measurement with the median value, the lower one of two; `None` without any. All runs of one sweep share a
/// measurement, while runs on several machines have different ones.
pub fn middle(mut measured: Vec<Measured>) -> Option<Measured> {
    measured.sort_by(|a, b| a.median.total_cmp(&b.median));
    measured.get(measured.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() < 1e-6)
    }

    #[test]
    fn mean_standard_deviation_and_interval_have_their_known_values() {
        // scipy: t.ppf(0.975, 2) = 4.30265273, t.ppf(0.975, 4) = 2.77644511
        let three = estimate(&[1., 2., 3.]).unwrap();
        assert_eq!((three.mean, three.sd), (2., Some(1.)));
        assert!(close(three.ci95, 4.302_652_73 / 3f64.sqrt()), "{three:?}");
        let five = estimate(&[2., 4., 4., 4., 6.]).unwrap();
        assert!(close(five.sd, 2f64.sqrt()) && close(five.ci95, 2.776_445_11 * (2f64 / 5.).sqrt()), "{five:?}");
    }

    #[test]
    fn median_and_spread_are_those_of_numpy() {
        // numpy.percentile([1, 2, 4, 8], [25, 50, 75]) = [1.75, 3, 5]
        assert_eq!(Measured::of(vec![8., 1., 4., 2.]), Measured { median: 3., spread: 3.25 / 3. });
        assert_eq!(Measured::of(vec![5.]), Measured { median: 5., spread: 0. });
        assert!(Measured::of(Vec::new()).median.is_nan());
    }

    #[test]
    fn one_seed_has_a_mean_and_no_deviation_and_none_has_nothing() {
        assert_eq!(estimate(&[98.]), Some(Estimate { n: 1, mean: 98., sd: None, ci95: None }));
        assert_eq!(estimate(&[]), None);
    }
}
