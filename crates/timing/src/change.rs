use records::Measured;

/// The number of rounds of each run from which a change is judged. Two times five equally fast rounds lie apart by chance
/// in one of 126 comparisons, in the given direction in one of 252.
const ROUNDS: usize = 5;

/// How the speed of a network has changed since an earlier run. Both runs had rounds of their own, so that the ratios of
/// single rounds say nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// How many times as fast it is as it was: the ratio of the medians.
    pub ratio: f64,
    /// The ratio of the slowest round now and the fastest round then.
    pub least: f64,
    /// The ratio of the fastest round now and the slowest round then.
    pub most: f64,
    /// True if the fastest round of this run is slower than every round of the earlier one, with at least five rounds in each.
    pub slower: bool,
}

impl Change {
    /// Compares the speeds of the rounds now and then; `None` if there are none.
    pub fn between(now: &[f64], then: &[f64]) -> Option<Self> {
        let range = |speeds: &[f64]| {
            let fold = |choose: fn(f64, f64) -> f64| speeds.iter().copied().reduce(choose);
            Some((fold(f64::min)?, Measured::of(speeds.to_vec()).median, fold(f64::max)?))
        };
        let (now_range, then_range) = (range(now)?, range(then)?);
        let most = now_range.2 / then_range.0;
        let is_judged = now.len().min(then.len()) >= ROUNDS;
        Some(Self {
            ratio: now_range.1 / then_range.1,
            least: now_range.0 / then_range.2,
            most,
            slower: is_judged && most < 1.,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: [f64; 5] = [100., 90., 95., 110., 105.];

    #[test]
    fn slower_is_what_is_slower_in_every_round() {
        let change = |factor: f64| Change::between(&THEN.map(|speed| speed * factor), &THEN).unwrap();
        assert_eq!((change(1.).ratio, change(1.).slower), (1., false));
        assert!(!change(0.85).slower); // 93.5 is faster than 90
        assert!(change(0.8).slower); // 88 is slower than 90
        assert!(!change(2.).slower);
        let Change { ratio, least, most, .. } = change(0.8);
        assert_eq!((ratio, least, most), (0.8, 72. / 110., 88. / 90.));
    }

    #[test]
    fn few_rounds_have_no_spread_that_could_be_exceeded() {
        assert!(!Change::between(&[10.; 4], &THEN).unwrap().slower);
        assert!(!Change::between(&[10.; 5], &THEN[..4]).unwrap().slower);
        assert!(Change::between(&[10.; 5], &THEN).unwrap().slower);
        assert_eq!(Change::between(&[], &THEN), None);
    }
}
