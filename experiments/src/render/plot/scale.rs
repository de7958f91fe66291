use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// One axis of numbers, linear or logarithmic, with its ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    from: f64,
    to: f64,
    log: bool,
    ticks: Vec<f64>,
}

const MARGIN: f64 = 0.06;
/// Ticks are readable up to this many.
const MOST_TICKS: usize = 8;

/// Whether a value has a place on such an axis: not what is infinite or no number, nor on a logarithmic one what is not
/// above zero.
pub fn has_place(value: f64, log: bool) -> bool {
    value.abs() < 1e300 && (!log || value > 1e-300)
}

impl Scale {
    /// Around these values, with a margin; those without a place are passed over.
    pub fn around(values: impl IntoIterator<Item = f64>, log: bool) -> Self {
        Self::with_margin(MARGIN, values, log)
    }

    /// `margin` is left free at either end: a share of the length that the values span.
    pub fn with_margin(margin: f64, values: impl IntoIterator<Item = f64>, log: bool) -> Self {
        let (mut from, mut to) = limits(values, log).unwrap_or((1., 1.));
        if log {
            (from, to) = (from.log10(), to.log10());
        }
        if to - from <= 1e-9 * from.abs().max(to.abs()) {
            let around = if log { 0.3 } else { (0.05 * from.abs()).max(1e-6) };
            (from, to) = (from - around, to + around);
        }
        let margin = margin * (to - from);
        (from, to) = (from - margin, to + margin);
        if log { Self::logarithmic(10f64.powf(from), 10f64.powf(to)) } else { Self::linear(from, to) }
    }

    /// Linear, from zero: for bars, whose length counts.
    pub fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = limits(values, false).unwrap_or((0., 1.));
        let (low, high) = (low.min(0.), high.max(0.));
        let (low, high) = if low == high { (0., 1.) } else { (low, high) };
        let margin = MARGIN * (high - low);
        Self::linear(if low < 0. { low - margin } else { 0. }, if high > 0. { high + margin } else { 0. })
    }

    /// Without ticks: for what has names.
    pub fn unlabelled(length: usize) -> Self {
        Self { from: 0., to: length as f64, log: false, ticks: Vec::new() }
    }

    fn linear(from: f64, to: f64) -> Self {
        Self { from, to, log: false, ticks: round_steps(from, to) }
    }

    fn logarithmic(from: f64, to: f64) -> Self {
        let decades = (from.log10().floor() as i32)..=(to.log10().ceil() as i32);
        let stride = decades.clone().count().div_ceil(MOST_TICKS);
        let multiples = |digits: &[i32]| -> Vec<f64> {
            let values =
                decades.clone().flat_map(|decade| digits.iter().map(move |&digit| f64::from(digit) * ten(decade)));
            values.filter(|tick| (from..=to).contains(tick)).collect()
        };
        let powers = multiples(&[1]).into_iter().step_by(stride).collect();
        let ticks = [powers, multiples(&[1, 2, 5]), multiples(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), round_steps(from, to)]
            .into_iter()
            .find(|ticks| (3..=MOST_TICKS).contains(&ticks.len()))
            .unwrap_or_default();
        Self { from, to, log: true, ticks }
    }

    /// 0 at the lower end, 1 at the upper.
    fn place(&self, value: f64) -> f64 {
        let place = if self.log {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        place.clamp(0., 1.)
    }

    /// As short as tells neighbouring ticks apart.
    pub fn label(&self, value: f64) -> String {
        let largest = if self.log { value.abs() } else { self.from.abs().max(self.to.abs()) };
        let (unit, suffix) = match largest {
            1e15.. => return format!("{value:.1e}"),
            1e9.. => (1e9, "G"),
            1e6.. => (1e6, "M"),
            1e4.. => (1e3, "k"),
            1e-4.. => (1., ""),
            _ if value == 0. => return "0".into(),
            _ => return format!("{value:.1e}"),
        };
        let value = value / unit;
        let digits = match self.ticks.as_slice() {
            [first, second, ..] if !self.log => -((second - first) / unit * 1.000001).log10().floor(),
            _ => (0..3).find(|&digits| is_round(value * ten(digits))).unwrap_or(3).into(),
        };
        let digits = digits.clamp(0., 9.) as usize;
        let text = format!("{value:.digits$}{suffix}");
        if text.starts_with("-0") && value == 0. { text[1..].into() } else { text }
    }
}

fn limits(values: impl IntoIterator<Item = f64>, log: bool) -> Option<(f64, f64)> {
    let values = values.into_iter().filter(|&value| has_place(value, log));
    values.fold(None, |limits, value| {
        let (low, high) = limits.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

fn is_round(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs()
}

fn ten(exponent: i32) -> f64 {
    10f64.powi(exponent)
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn round_steps(from: f64, to: f64) -> Vec<f64> {
    let rough = (to - from) / 5.;
    let power = ten(rough.log10().floor() as i32);
    let step = [1., 2., 5.].map(|digit| digit * power).into_iter().find(|&step| step >= rough).unwrap_or(10. * power);
    let (first, last) = ((from / step).ceil(), (to / step).floor());
    (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect()
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (f64::from(to - from) * self.place(*value)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks.iter().map(|&tick| scale.label(tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_as_precise_as_they_must_be() {
        assert_eq!(labels(&Scale::around([0., 10.], false)), ["0", "5", "10"].map(String::from).to_vec());
        assert_eq!(labels(&Scale::around([97.9, 98.7], false)), ["98.0", "98.2", "98.4", "98.6"]);
        assert_eq!(labels(&Scale::around([0., 60_000.], false)), ["0k", "20k", "40k", "60k"]);
        assert_eq!(labels(&Scale::from_zero([35.])), ["0", "10", "20", "30"]);
    }

    #[test]
    fn a_logarithmic_axis_has_ticks_whether_it_spans_many_decades_or_none() {
        assert_eq!(labels(&Scale::around([100., 1e6], true)), ["100", "1000", "10k", "100k", "1M"]);
        assert_eq!(labels(&Scale::around([20., 900.], true)), ["20", "50", "100", "200", "500", "1000"]);
        assert_eq!(labels(&Scale::around([28., 112.], true)), ["30", "40", "50", "60", "70", "80", "90", "100"]);
        assert_eq!(labels(&Scale::around([71_000., 103_000.], true)), ["70k", "80k", "90k", "100k"]);
        assert_eq!(labels(&Scale::around([2.0e6, 2.6e6], true)), ["2M", "2.2M", "2.4M", "2.6M"]);
        assert!(labels(&Scale::around([1e-200, 1e200], true)).len() > 3);
    }

    #[test]
    fn the_axis_covers_its_values_also_where_they_are_one_or_huge() {
        let sets: [&[f64]; 7] =
            [&[5.], &[0.], &[-3., -3.], &[1e299, -1e299], &[1e12, 1e12 + 1.], &[98.5, 98.5000001], &[1e-200]];
        for values in sets {
            let scale = Scale::around(values.iter().copied(), false);
            let inside = |value: &f64| scale.from < *value && *value < scale.to;
            assert!(values.iter().all(inside) && (2..=MOST_TICKS).contains(&scale.ticks.len()), "{values:?} {scale:?}");
        }
    }

    #[test]
    fn what_has_no_place_on_the_axis_does_not_stretch_it() {
        let values = [f64::NAN, f64::INFINITY, 1e301, 0., -1., 10., 1000.];
        assert_eq!(Scale::around(values, true), Scale::around([10., 1000.], true));
        assert_eq!(Scale::around([], false), Scale::around([1.], false));
    }
}
