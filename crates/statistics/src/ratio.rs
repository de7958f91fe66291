use crate::{interval::Interval, limits::LEVEL, paired::Paired};

/// The ratio of the means of two sides, a / b, with its 95 % confidence interval by Fieller's method.
///
/// A bound m lies in the interval unless the interval of a − m·b, which is linear in the values, lies on one side of 0. So
/// the interval and the tests of bounds agree, and nothing is approximated by the difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The ratio of the means.
    pub value: f64,
    /// The lower end of the interval, at least 0.
    pub low: f64,
    /// The upper end of the interval; infinite if b may be 0.
    pub high: f64,
    paired: Paired,
}

impl Ratio {
    /// Relates two sides whose values are not negative; `None` if b is 0.
    pub fn new(paired: Paired) -> Option<Self> {
        let [a, b] = paired.means;
        let value = a / b;
        if !(b > 0. && a >= 0. && value.is_finite()) {
            return None;
        }
        let mut ratio = Self { value, low: 0., high: f64::INFINITY, paired };
        let is_below = |bound: &f64| ratio.p_greater(*bound) < LEVEL;
        let is_above = |bound: &f64| ratio.p_less(*bound) < LEVEL;
        let low = if is_below(&0.) { between(0., value, |bound| !is_below(&bound)) } else { 0. };
        // Where no bound is refuted by a factor of a million, none is.
        let above = (1..=20).map(|doubled| value.max(1e-3) * 2f64.powi(doubled)).find(is_above);
        let high = above.map_or(f64::INFINITY, |above| between(value, above, |bound| is_above(&bound)));
        (ratio.low, ratio.high) = (low, high);
        Some(ratio)
    }

    /// The one-sided p-value of the hypothesis that the true ratio is at most `bound`: small if it is shown to be greater.
    pub fn p_greater(&self, bound: f64) -> f64 {
        self.contrast(bound).p_greater(0.)
    }

    /// The one-sided p-value of the hypothesis that the true ratio is at least `bound`: small if it is shown to be less.
    pub fn p_less(&self, bound: f64) -> f64 {
        self.contrast(bound).p_less(0.)
    }

    /// The interval of a − `bound`·b, which is 0 if the ratio is `bound`.
    fn contrast(&self, bound: f64) -> Interval {
        self.paired.contrast([1., -bound])
    }
}

/// The place between two bounds from which on `is_beyond` is true.
fn between(mut low: f64, mut high: f64, is_beyond: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..100 {
        let middle = (low + high) / 2.;
        if is_beyond(middle) { high = middle } else { low = middle }
    }
    (low + high) / 2.
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{bounds::Bounds, interval::paired_t};

    /// The contents of the file that `tests/fixtures/intervals.py` writes.
    #[derive(Deserialize)]
    struct Fixtures {
        images: Vec<Fixture<Vec<f64>>>,
        seeds: Vec<Fixture<f64>>,
        rounds: Vec<Fixture<f64>>,
    }

    #[derive(Deserialize)]
    struct Fixture<T> {
        a: Vec<T>,
        b: Vec<T>,
        value: f64,
        low: f64,
        high: Option<f64>,
        #[serde(rename = "p_less_1.2", default)]
        p_less: f64,
        #[serde(rename = "p_greater_1.2", default)]
        p_greater: f64,
        #[serde(rename = "p_less_0.9", default)]
        p_less_of_rounds: f64,
    }

    fn fixtures() -> Fixtures {
        serde_json::from_str(include_str!("../tests/fixtures/intervals.json")).unwrap()
    }

    impl<T> Fixture<T> {
        fn check(&self, paired: Paired) {
            let ratio = Ratio::new(paired).unwrap();
            close(ratio.value, self.value);
            close(ratio.low, self.low);
            close(ratio.high, self.high.unwrap_or(f64::INFINITY));
            close(ratio.p_less(1.2), self.p_less);
            close(ratio.p_greater(1.2), self.p_greater);
        }
    }

    fn close(ours: f64, known: f64) {
        assert!(ours == known || (ours - known).abs() < 1e-8, "{ours} is not {known}");
    }

    #[test]
    fn ratios_have_the_intervals_and_p_values_of_statsmodels_and_scipy() {
        let fixtures = fixtures();
        for fixture in fixtures.images {
            let value = |side: usize, seed: usize, image: usize| [&fixture.a, &fixture.b][side][seed][image];
            fixture.check(Paired::by_image([fixture.a.len(), fixture.a[0].len()], value).unwrap());
        }
        for fixture in fixtures.seeds {
            fixture.check(Paired::by_seed([&fixture.a, &fixture.b]).unwrap());
        }
    }

    #[test]
    fn ratios_of_rounds_have_the_interval_and_p_value_of_scipy() {
        for Fixture { a, b, value, low, high, p_less_of_rounds, .. } in fixtures().rounds {
            let logarithms: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (a / b).ln()).collect();
            let (ours, bounds) = Bounds::of_rounds(paired_t(&logarithms).unwrap());
            close(ours, value);
            close(bounds.low, low);
            close(bounds.high, high.unwrap());
            close(bounds.p_less(0.9), p_less_of_rounds);
        }
    }

    #[test]
    fn what_may_be_zero_has_no_upper_bound_and_what_is_zero_no_ratio() {
        let ratio = |a: &[f64], b: &[f64]| Ratio::new(Paired::by_seed([a, b]).unwrap());
        assert_eq!(ratio(&[1., 2.], &[0., 0.]), None);
        assert_eq!(ratio(&[1., 2., 3.], &[0., 1., 0.]).unwrap().high, f64::INFINITY);
        let zero = ratio(&[0., 0., 0.], &[5., 6., 5.]).unwrap();
        assert_eq!((zero.value, zero.low, zero.p_less(0.1) < 0.01), (0., 0., true));
        let same = ratio(&[3., 4., 5.], &[3., 4., 5.]).unwrap();
        assert!((same.low - 1.).abs() < 1e-9 && (same.high - 1.).abs() < 1e-9, "{same:?}");
    }

    #[test]
    fn a_bound_lies_in_the_interval_exactly_if_it_is_not_rejected() {
        let ratio = Ratio::new(Paired::by_seed([&[3., 4.5, 5., 4.], &[3.5, 4., 4.5, 3.]]).unwrap()).unwrap();
        for (bound, is_inside) in [(ratio.low, 1e-6), (ratio.high, -1e-6)] {
            let p = |bound: f64| ratio.p_greater(bound).min(ratio.p_less(bound));
            assert!(p(bound + is_inside) > LEVEL && p(bound - is_inside) < LEVEL, "{ratio:?}");
        }
    }
}
