//! The series of learning rates 1, 3, 10, 30, …, in which a grid is continued.

/// The next lower rate of the series, or a third of a rate that is not in it.
pub fn rate_below(lr: f64) -> f64 {
    in_series(lr, [("1", "3", -1), ("3", "1", 0)]).unwrap_or(lr / 3.)
}

/// The next higher rate of the series, or three times a rate that is not in it.
pub fn rate_above(lr: f64) -> f64 {
    in_series(lr, [("1", "3", 0), ("3", "1", 1)]).unwrap_or(3. * lr)
}

/// Replaces the digit of a rate such as 3e-2 and adds to its exponent, by the first of the rules for this digit.
fn in_series(lr: f64, rules: [(&str, &str, i32); 2]) -> Option<f64> {
    let text = format!("{lr:e}");
    let (digit, exponent) = text.split_once('e')?;
    let (_, next, more) = rules.into_iter().find(|(of, ..)| *of == digit)?;
    format!("{next}e{}", exponent.parse::<i32>().ok()? + more).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_rates_goes_on_in_both_directions() {
        for (lower, higher) in [(0.001, 0.003), (0.003, 0.01), (0.03, 0.1), (0.3, 1.), (1., 3.)] {
            assert_eq!((rate_below(higher), rate_above(lower)), (lower, higher));
        }
        assert_eq!((rate_below(0.06), rate_above(0.02)), (0.02, 0.06));
    }
}
